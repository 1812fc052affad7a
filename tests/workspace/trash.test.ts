// What is thrown away is gone when the trash is closed, whatever it was and however much of it there is.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Trash } from "../../src/workspace/trash.js";
import { tempDir } from "../support/temp.js";

it("takes trees, files, links and what is not there, of several folders", async () => {
  const root = tempDir();
  const trash = new Trash("0123456789abcdef");
  const folders = ["one", "two"].map((name) => join(root, name));
  for (const folder of folders) mkdirSync(folder);
  mkdirSync(join(root, "kept"));
  writeFileSync(join(root, "kept/file"), "kept");
  for (let at = 0; at < 20; at += 1) {
    const path = join(root, `t${at}`);
    if (at % 4 === 0) writeFileSync(path, "file");
    else if (at % 4 === 1) symlinkSync(join(root, "kept"), path);
    else if (at % 4 === 2) {
      mkdirSync(join(path, "deep/er"), { recursive: true });
      symlinkSync(join(root, "kept"), join(path, "deep/link"));
      writeFileSync(join(path, "deep/er/file"), "x");
    }
    trash.discard(path, folders[at % 2] ?? root);
    expect(existsSync(path)).toBe(false);
  }
  await trash.close();
  expect(folders.map((folder) => readdirSync(folder))).toEqual([[], []]);
  expect(readdirSync(join(root, "kept"))).toEqual(["file"]);
});

it("removes what it has while more comes, and is not stopped by a folder that is gone", async () => {
  const root = tempDir();
  const trash = new Trash("0123456789abcdef");
  mkdirSync(join(root, "here"));
  mkdirSync(join(root, "gone"));
  for (const [at, folder] of ["gone", "here", "here"].entries()) {
    mkdirSync(join(root, `t${at}`));
    trash.discard(join(root, `t${at}`), join(root, folder));
  }
  rmSync(join(root, "gone"), { recursive: true });
  await trash.close();
  mkdirSync(join(root, "late"));
  trash.discard(join(root, "late"), join(root, "here"));
  await trash.close();
  expect(readdirSync(join(root, "here"))).toEqual([]);
});
