// What a copy is said to hold when it was made, and what is found in it.
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { openTrustedDir } from "../../src/safefs/dir.js";
import { buildTree } from "../../src/workspace/build-tree.js";
import { judgeKept } from "../../src/workspace/kept.js";
import { type Manifest, nodesBelow, scan } from "../../src/workspace/manifest.js";
import { tempDir } from "../support/temp.js";
import { owner } from "./fixtures/world.js";

const chownTo = process.getuid?.() === 0 ? owner : null;

async function copied(from: string) {
  const root = tempDir();
  mkdirSync(join(root, "to"));
  using source = openTrustedDir(from);
  using target = openTrustedDir(join(root, "to"));
  const manifest = await scan(source);
  judgeKept(manifest);
  const built = await buildTree({ root: manifest.root, source, target, links: join(root, "links"), owner: chownTo });
  using made = openTrustedDir(join(root, "to"));
  return { built, found: await scan(made) };
}

/** All that is told of it, but for the moment of the look. */
const told = ({ root, mtimeNs, size, cut, lost }: Manifest) => ({
  ...{ mtimeNs, size, cut, lost },
  entries: [...nodesBelow(root)]
    .map(({ entry, target, parent }) => {
      const { name: _, parent: above, ...stats } = entry;
      const path = entry.path.toString("latin1");
      return { ...stats, path, target, above: above?.path.toString("latin1"), isBelow: parent.node?.entry.ino };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1)),
});

it("is what a look at the copy finds, whatever the tree", async () => {
  const name = fc.constantFrom("a", "b", "dir", "é", "x y");
  const entry = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }),
    kind: fc.constantFrom("file", "dir", "link"),
    bytes: fc.constantFrom(0, 1, 5000),
    mode: fc.constantFrom(0o644, 0o755, 0o600),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 12 }), async (entries) => {
      const from = tempDir();
      for (const { path, kind, bytes, mode } of entries) {
        try {
          mkdirSync(join(from, ...path.slice(0, -1)), { recursive: true });
          if (kind === "dir") mkdirSync(join(from, ...path));
          else if (kind === "link") symlinkSync("a", join(from, ...path));
          else {
            writeFileSync(join(from, ...path), "x".repeat(bytes));
            chmodSync(join(from, ...path), mode);
          }
        } catch {
          // Something else has that name.
        }
      }
      const { built, found } = await copied(from);
      expect(built && told(built)).toEqual(told(found));
    }),
    { numRuns: 80 },
  );
});

it("is not told of files with several names", async () => {
  const from = tempDir();
  writeFileSync(join(from, "a"), "a");
  linkSync(join(from, "a"), join(from, "b"));
  const { built, found } = await copied(from);
  expect(built).toBeNull();
  expect([...nodesBelow(found.root)].map(({ entry }) => entry.nlink)).toEqual([2, 2]);
});
