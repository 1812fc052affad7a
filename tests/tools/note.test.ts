import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { builtinBundleDir } from "../../src/bundles/builtin.js";
import { Tree } from "../../src/safefs/tree.js";
import { TreeOutputFiles } from "../../src/tools/output-files.js";
import { ToolSubsystem } from "../../src/tools/subsystem.js";
import { tempDir } from "../support/temp.js";

async function notes() {
  const tools = await ToolSubsystem.create(join(builtinBundleDir(), "tools-descriptor.mjs"));
  const out = tempDir();
  const session = tools.session({
    ...{ runId: "r", userId: "u", turnId: "t", log() {}, emit() {} },
    output: new TreeOutputFiles(() => Tree.open(out)),
  });
  let id = 0;
  const write = (params: Record<string, unknown>) =>
    session.call({ id: String(id++), toolId: "local_tools.write_note", params, reason: null });
  return { out, write };
}

describe("write_note", () => {
  it("writes a note and says where it is", async () => {
    const { out, write } = await notes();
    const answer = await write({ text: "größer" });
    const [filename = ""] = readdirSync(join(out, "notes"));
    expect(filename).toMatch(/^\d{4}-\d\d-\d\dT[\d-]+Z-note\.txt$/);
    expect(answer).toMatchObject({ ok: true, ret: { ok: true, path: `notes/${filename}`, filename, bytes: 8 } });
    expect(readFileSync(join(out, "notes", filename), "utf8")).toBe("größer");
  });

  it("makes two files of two notes in one moment", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const { out, write } = await notes();
      await Promise.all([write({ text: "a" }), write({ text: "b" })]);
      expect(
        readdirSync(join(out, "notes"))
          .map((name) => readFileSync(join(out, "notes", name), "utf8"))
          .sort(),
      ).toEqual(["a", "b"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("says which parameter is wrong, an unknown one too", async () => {
    const { write } = await notes();
    expect(await write({})).toMatchObject({
      error: { code: "invalid_params", message: expect.stringContaining("text") },
    });
    expect(await write({ text: "x", title: "y" })).toMatchObject({
      error: { code: "invalid_params", message: expect.stringContaining("title") },
    });
  });

  it("follows no link that the program put in its place", async () => {
    const { out, write } = await notes();
    const outside = tempDir();
    symlinkSync(outside, join(out, "notes"));
    expect(await write({ text: "x" })).toMatchObject({ ok: false, error: { code: "tool_failed" } });
    expect(readdirSync(outside)).toEqual([]);
  });

  it("fails where a file stands in the place of its folder", async () => {
    const { out, write } = await notes();
    writeFileSync(join(out, "notes"), "");
    expect(await write({ text: "x" })).toMatchObject({ ok: false, error: { code: "tool_failed" } });
  });
});
