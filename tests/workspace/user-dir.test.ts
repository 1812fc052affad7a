// User ids and the folders they become.
import { writeFileSync } from "node:fs";
import { normalize } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IsoError } from "../../src/model/errors.js";
import { openLayout } from "../../src/workspace/layout.js";
import {
  decodeUserDir,
  parseUserId,
  userDirName,
  type WorkspaceRef,
  workspaceDirName,
} from "../../src/workspace/user-dir.js";
import { claimWorkspaceDir, whoseDir } from "../../src/workspace/user-record.js";
import { tempDir } from "../support/temp.js";

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof IsoError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

const RUNS = { numRuns: 1000 };
const validId = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 128 }),
    fc.string({ minLength: 1, maxLength: 128, unit: "binary" }),
    fc.string({
      minLength: 1,
      maxLength: 12,
      unit: fc.constantFrom("a", "A", "b", "_", "-", "~", ".", "/", "é", " ", "0"),
    }),
  )
  .filter((id) => codeOf(() => parseUserId(id)) === "nothing thrown");

describe("user ids", () => {
  it.each([
    ["empty", ""],
    ["blank", " \u3000"],
    ["a dot", "."],
    ["two dots", ".."],
    ["control characters", "a\nb"],
    ["NUL", "a\0"],
    ["DEL", "a\x7f"],
    ["half a surrogate pair", "a\ud800"],
    ["no NFC", "e\u0301"],
    ["129 characters", "x".repeat(129)],
    ["129 wide characters", "😀".repeat(129)],
  ])("refuses %s", (_, id) => {
    expect(codeOf(() => userDirName(id))).toBe("invalid_user_id");
  });

  it.each([[42], [null], [undefined], [{}]])("refuses %j, which is no text", (input) => {
    expect(codeOf(() => parseUserId(input))).toBe("invalid_user_id");
  });

  it.each(["...", "a/b", "../x", "~", "~a", "A", "é", "😀".repeat(128), "con", "x".repeat(128), " a "])(
    "takes %j",
    (id) => {
      expect(parseUserId(id)).toBe(id);
      expect(Buffer.byteLength(userDirName(id))).toBeLessThanOrEqual(222);
    },
  );

  it("is its own folder where it is plain", () => {
    for (const id of ["alice", "a", "0-_", "x".repeat(64)]) expect(userDirName(id)).toBe(id);
    for (const id of ["Alice", "_a", "-a", "x".repeat(65), "a.b"]) expect(userDirName(id)).toMatch(/^~[a-z2-7]+$/);
  });
});

describe("folders", () => {
  it("are one plain component of lower-case ASCII, whatever the id", () => {
    fc.assert(
      fc.property(validId, (id) => {
        const dir = userDirName(id);
        expect(dir).toMatch(/^(~[a-z0-9]+|[a-z0-9][a-z0-9_-]{0,63})$/);
        expect(normalize(`/root/${dir}`)).toBe(`/root/${dir}`);
        expect(dir.length + 1 + 32).toBeLessThanOrEqual(255);
      }),
      RUNS,
    );
  });

  it("tell their user again", () => {
    fc.assert(
      fc.property(
        validId,
        fc.option(fc.stringMatching(/^[a-z0-9_-]{1,32}$/), { nil: undefined }),
        (userId, workspace) => {
          const ref: WorkspaceRef = workspace === undefined ? { userId } : { userId, workspace };
          const dir = workspaceDirName(ref) ?? "";
          expect(decodeUserDir(dir, () => userId)).toEqual(ref);
        },
      ),
      RUNS,
    );
  });

  it("are never shared, also where case does not count", () => {
    fc.assert(
      fc.property(validId, validId, (a, b) => {
        fc.pre(a !== b);
        expect(userDirName(a).toLowerCase()).not.toBe(userDirName(b).toLowerCase());
      }),
      RUNS,
    );
    const near = ["a/b", "a_b", "A_b", "a_B", "~a", "a", "A", "ａ", "ß", "SS", "ss", "é", "É"];
    expect(new Set(near.map((id) => userDirName(id).normalize("NFKD").toLowerCase())).size).toBe(near.length);
  });

  it("that nobody has are nobody's", () => {
    for (const dir of [
      "A",
      "~",
      "~1",
      "~mf",
      "~me",
      ".iso-runtime",
      "a.",
      "a.B",
      "a.b.c",
      "..",
      "x".repeat(65),
      `~0${"0".repeat(64)}`,
    ]) {
      expect(decodeUserDir(dir), dir).toBeNull();
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 20, unit: fc.constantFrom(..."~abz27019._-") }), (dir) => {
        const ref = decodeUserDir(dir);
        if (ref !== null) expect(workspaceDirName(ref)).toBe(dir);
      }),
      RUNS,
    );
  });

  it("of long ids are recorded, and refused to any other id", () => {
    const root = tempDir();
    const layout = openLayout(`${root}/w`, `${root}/s`);
    const userId = "😀".repeat(128);
    const dir = claimWorkspaceDir(layout, { userId, workspace: "x" }) ?? "";
    expect(dir).toMatch(/^~0[0-9a-f]{64}\.x$/);
    expect(whoseDir(layout, dir)).toEqual({ userId, workspace: "x" });
    expect(claimWorkspaceDir(layout, { userId })).toBe(dir.slice(0, -2));
    writeFileSync(`${layout.users}/${dir.slice(0, -2)}`, "somebody else");
    expect(codeOf(() => claimWorkspaceDir(layout, { userId }))).toBe("internal");
  });

  it("have names for workspaces, and none for the workspace null", () => {
    expect(workspaceDirName({ userId: "a", workspace: "scratch" })).toBe("a.scratch");
    expect(workspaceDirName({ userId: "a", workspace: null })).toBeNull();
    for (const workspace of ["", "A", "a.b", "../x", "x".repeat(33)]) {
      expect(
        codeOf(() => workspaceDirName({ userId: "a", workspace })),
        workspace,
      ).toBe("invalid_request");
    }
  });
});

describe("roots", () => {
  it.each([
    ["the same folder", "a", "a"],
    ["sandboxes among users", "a", "a/b"],
    ["users among sandboxes", "a/b", "a"],
  ])("are refused as %s", (_, workspace, sandbox) => {
    const root = tempDir();
    expect(codeOf(() => openLayout(`${root}/${workspace}`, `${root}/${sandbox}`))).toBe("config_invalid");
  });

  it("may lie side by side, with names that begin alike", () => {
    const root = tempDir();
    expect(openLayout(`${root}/data`, `${root}/data-2`).sandboxRoot).toBe(`${root}/data-2`);
    expect(openLayout(`${root}/x`, `${root}/..y`).sandboxRoot).toBe(`${root}/..y`);
  });
});
