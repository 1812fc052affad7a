import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatBytes } from "../../src/diagnostics/printable.js";
import { renderKnown, renderTree, type TreeOptions } from "../../src/diagnostics/tree.js";
import type { KnownFolder, KnownNode } from "../../src/safefs/known-tree.js";
import { removeTree, Tree } from "../../src/safefs/tree.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "render-tree-"));
});
afterEach(() => removeTree(dir));

async function render(options?: TreeOptions): Promise<string> {
  using tree = Tree.open(dir);
  return await renderTree(tree, options);
}

describe("renderTree", () => {
  it("draws a sandbox folder with sizes, links and special files, without what is skipped", async () => {
    for (const folder of ["out/logs", "out/a/logs", "out/notes", "work"])
      mkdirSync(join(dir, folder), { recursive: true });
    writeFileSync(join(dir, "out/logs/user.log"), "hidden");
    writeFileSync(join(dir, "out/a/logs/mine.txt"), "x".repeat(1536));
    writeFileSync(join(dir, "work/main.py"), "print()");
    symlinkSync("../../etc/passwd", join(dir, "out/link"));
    execFileSync("mkfifo", [join(dir, "out/pipe")]);
    expect(await render({ skip: ["out/logs"] })).toBe(
      [
        ".",
        "├── out/",
        "│   ├── a/",
        "│   │   └── logs/",
        "│   │       └── mine.txt (1.5 KiB)",
        "│   ├── link -> ../../etc/passwd",
        "│   ├── notes/",
        "│   └── pipe (FIFO)",
        "└── work/",
        "    └── main.py (7 B)",
        "5 folders, 2 files, 2 links and special files, 1.5 KiB",
      ].join("\n"),
    );
  });

  it("draws an empty folder", async () => {
    expect(await render()).toBe(".\n0 folders, 0 files, 0 B");
  });

  it("spells out hostile names, also where links point", async () => {
    writeFileSync(join(dir, "a\nb\x1b[31m\u202e"), "");
    writeFileSync(Buffer.concat([Buffer.from(join(dir, "x")), Buffer.from([0xff])]), "");
    symlinkSync("to\n\x07", join(dir, "z"));
    expect(await render()).toBe(
      [
        ".",
        "├── a\\x0ab\\x1b[31m\\u202e (0 B)",
        "├── x\\xff (0 B)",
        "└── z -> to\\x0a\\x07",
        "0 folders, 2 files, 1 link or special file, 0 B",
      ].join("\n"),
    );
  });

  it("leaves room for the next folder when one is full, and counts what is left out", async () => {
    mkdirSync(join(dir, "a"));
    mkdirSync(join(dir, "b"));
    for (let i = 0; i < 30; i++) writeFileSync(join(dir, "a", `f${String(i).padStart(2, "0")}`), "");
    writeFileSync(join(dir, "b/last"), "");
    const text = await render({ maxPerFolder: 3 });
    expect(text).toContain(
      "│   ├── f02 (0 B)\n│   └── … 27 more\n└── b/\n    └── last (0 B)\n2 folders, 31 files, 0 B",
    );
  });

  it("stays within its bytes and says how many lines are missing", async () => {
    for (let i = 0; i < 150; i++) writeFileSync(join(dir, `${i}-${"n".repeat(100)}`), "");
    const text = await render({ maxBytes: 2000 });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2000);
    const shown = text.split("\n").filter((line) => line.includes("── ")).length;
    expect(text).toContain(`… ${150 - shown} lines left out …\n0 folders, 150 files, 0 B`);
  });

  it("stops looking after its entries and at its depth", async () => {
    for (let i = 0; i < 10; i++) writeFileSync(join(dir, `f${i}`), "");
    expect(await render({ maxEntries: 4 })).toMatch(/(f\d \(0 B\)\n){1}0 folders, 4 files, 0 B; there are more$/);
    mkdirSync(join(dir, `0/${"d/".repeat(60)}`), { recursive: true });
    const text = await render({ maxDepth: 3 });
    expect(text).toContain("│   └── d/\n│       └── d/ …\n");
  });

  it("shows a folder whose permissions were taken", async () => {
    mkdirSync(join(dir, "locked"));
    writeFileSync(join(dir, "locked/in"), "");
    execFileSync("chmod", ["000", join(dir, "locked")]);
    expect(await render()).toContain("locked/\n    └── in (0 B)");
  });

  it("writes sizes for people", () => {
    expect([0, 1023, 1024, 1536, 1024 ** 2, 5 * 1024 ** 4].map(formatBytes)).toEqual([
      ...["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 TiB"],
    ]);
  });
});

describe("a folder that was looked through already", () => {
  /** As the workspace's manifest has it, in any order. */
  const lookThrough = (path: string): KnownFolder => {
    using tree = Tree.open(path);
    const folder = (at: string): Map<string, KnownNode> =>
      new Map(
        readdirSync(join(path, at), { withFileTypes: true }).map((found) => {
          const rel = join(at, found.name);
          const entry = tree.stat(rel);
          if (entry === null) throw new Error(`${rel} is gone`);
          const target = entry.kind === "link" ? tree.readLink(rel) : null;
          return [found.name, { entry, target, children: entry.kind === "dir" ? folder(rel) : null }];
        }),
      );
    return { children: folder("") };
  };

  it("is drawn as if it had been walked, with what changed since", async () => {
    const name = fc.constantFrom("a", "b", "c", "logs", "z9", "é");
    const paths = fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 4 }), {
      selector: (parts) => parts.join("/"),
    });
    await fc.assert(
      fc.asyncProperty(paths, paths, fc.integer({ min: 1, max: 4 }), async (before, after, bound) => {
        const [root, out, part] = [mkdtempSync(join(dir, "t-")), "out", mkdtempSync(join(dir, "c-"))];
        mkdirSync(join(root, out));
        const put = (base: string, parts: string[], text: string) => {
          try {
            mkdirSync(join(base, ...parts.slice(0, -1)), { recursive: true });
            writeFileSync(join(base, ...parts), text);
            return true;
          } catch {
            return false; // a folder where a file is to be, or the other way round
          }
        };
        for (const parts of before) put(join(root, out), parts, "old");
        const then = lookThrough(join(root, out));
        for (const parts of after) if (put(join(root, out), parts, "newer")) put(part, parts, "newer");
        const options = { skip: ["out/logs"], maxPerFolder: bound, maxDepth: bound + 1 };
        using tree = Tree.open(root);
        const walked = await renderTree(tree, options);
        const around = lookThrough(root);
        const known = ({ children }: KnownFolder) => {
          const node = around.children.get(out);
          if (node === undefined) throw new Error("out/ is gone");
          return { children: new Map([...around.children, [out, { ...node, children }]]) };
        };
        const changed = { root: known(then), changed: known(lookThrough(part)) };
        expect(await renderKnown(changed, options)).toBe(walked);
        const whole = { root: known(lookThrough(join(root, out))), changed: null };
        expect(await renderKnown(whole, options)).toBe(walked);
      }),
      { numRuns: 60 },
    );
  });
});
