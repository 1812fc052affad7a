// What of the last run's sandbox folder serves the next one: only what is as the host left it, whatever a program put there.
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { takeFolder, takeLogs } from "../../src/workspace/last-folder.js";
import { tempDir } from "../support/temp.js";

/** As a run leaves it on a root host. */
function lastFolder() {
  const root = tempDir();
  const dir = join(root, "user");
  for (const path of ["", "work", "out", "out/logs"]) mkdirSync(join(dir, path));
  chmodSync(join(dir, "work"), 0o1777);
  writeFileSync(join(dir, "work/main.py"), "print(1)");
  writeFileSync(join(dir, "out/kept.txt"), "kept");
  for (const name of ["user.log", "infra.log"]) writeFileSync(join(dir, "out/logs", name), name);
  return { root, dir, target: join(root, "target"), gone: [] as string[] };
}

describe("the folder of the last run", () => {
  const take = ({ dir, target, gone }: ReturnType<typeof lastFolder>) =>
    takeFolder(dir, target, (path) => {
      gone.push(path);
      rmSync(path, { recursive: true, force: true });
    });

  it("serves again without its out/, the snippet in it the same file", () => {
    const last = lastFolder();
    const { ino } = lstatSync(join(last.dir, "work/main.py"));
    expect(take(last)).toBe(true);
    expect(last.gone).toEqual([join(last.target, "out")]);
    expect(readdirSync(last.target)).toEqual(["work"]);
    expect(readdirSync(join(last.target, "work"))).toEqual(["main.py"]);
    expect(lstatSync(join(last.target, "work/main.py")).ino).toBe(ino);
    expect(existsSync(last.dir)).toBe(false);
  });

  it("is none where there was none", () => {
    const last = lastFolder();
    rmSync(last.dir, { recursive: true });
    expect(take(last)).toBe(false);
    expect(last.gone).toEqual([]);
  });

  it("serves without an out/ too, which another process may have taken away", () => {
    const last = lastFolder();
    rmSync(join(last.dir, "out"), { recursive: true });
    expect(take(last)).toBe(true);
  });

  const elsewhere = (root: string) => {
    const secret = join(root, "secret.txt");
    writeFileSync(secret, "secret");
    return secret;
  };
  it.each<[string, (dir: string, root: string) => void]>([
    ["a file in work/", (dir) => writeFileSync(join(dir, "work/left.txt"), "")],
    ["a folder in work/", (dir) => mkdirSync(join(dir, "work/left"))],
    [
      "a link in the snippet's place",
      (dir, root) => {
        rmSync(join(dir, "work/main.py"));
        symlinkSync(elsewhere(root), join(dir, "work/main.py"));
      },
    ],
    ["a second name of the snippet", (dir) => linkSync(join(dir, "work/main.py"), join(dir, "out/again.py"))],
    [
      "another file's second name in the snippet's place",
      (dir, root) => {
        rmSync(join(dir, "work/main.py"));
        linkSync(elsewhere(root), join(dir, "work/main.py"));
      },
    ],
    ["a work/ of other permissions", (dir) => chmodSync(join(dir, "work"), 0o755)],
    [
      "a link in the place of work/",
      (dir, root) => {
        renameSync(join(dir, "work"), join(root, "elsewhere"));
        symlinkSync(join(root, "elsewhere"), join(dir, "work"));
      },
    ],
    ["something beside work/ and out/", (dir) => writeFileSync(join(dir, "beside.txt"), "")],
    ["no work/", (dir) => rmSync(join(dir, "work"), { recursive: true })],
    [
      "a work/ that held thousands of names",
      (dir) => {
        const names = Array.from({ length: 2_000 }, (_, n) => join(dir, `work/${"n".repeat(40)}-${n}`));
        for (const name of names) writeFileSync(name, "");
        for (const name of names) rmSync(name);
      },
    ],
  ])("goes as a whole with %s", (_, change) => {
    const last = lastFolder();
    change(last.dir, last.root);
    expect(take(last)).toBe(false);
    expect(last.gone).toEqual([last.target]);
    for (const path of ["secret.txt", "elsewhere/main.py"].map((name) => join(last.root, name)).filter(existsSync)) {
      expect(readFileSync(path, "utf8").length).toBeGreaterThan(0);
    }
  });
});

describe("the logs of the last run", () => {
  it("are written over where they are the host's", () => {
    const { dir, target } = lastFolder();
    expect(takeLogs(dir, target)).toBe(true);
    expect(readdirSync(target).sort()).toEqual(["infra.log", "user.log"]);
    expect(readdirSync(join(dir, "out"))).toEqual(["kept.txt"]);
  });

  it.each<[string, (dir: string, root: string) => void]>([
    ["are not there", (dir) => rmSync(join(dir, "out/logs"), { recursive: true })],
    ["have no out/", (dir) => rmSync(join(dir, "out"), { recursive: true })],
    ["have more beside them", (dir) => writeFileSync(join(dir, "out/logs/more.txt"), "")],
    ["have a second name", (dir) => linkSync(join(dir, "out/logs/user.log"), join(dir, "out/name.txt"))],
    [
      "have a link among them",
      (dir) => {
        rmSync(join(dir, "out/logs/user.log"));
        symlinkSync("/etc/hostname", join(dir, "out/logs/user.log"));
      },
    ],
    [
      "are a link",
      (dir, root) => {
        renameSync(join(dir, "out/logs"), join(root, "logs"));
        symlinkSync(join(root, "logs"), join(dir, "out/logs"));
      },
    ],
    [
      "lie below a link",
      (dir, root) => {
        renameSync(join(dir, "out"), join(root, "out"));
        symlinkSync(join(root, "out"), join(dir, "out"));
      },
    ],
    [
      "are a file",
      (dir) => {
        rmSync(join(dir, "out/logs"), { recursive: true });
        writeFileSync(join(dir, "out/logs"), "");
      },
    ],
  ])("stay where they are where they %s", (_, change) => {
    const { root, dir, target } = lastFolder();
    change(dir, root);
    expect(takeLogs(dir, target)).toBe(false);
    expect(existsSync(target)).toBe(false);
  });
});
