// Built files are loaded with the code that an earlier process compiled, and with none that is another's, damaged, or of another source.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BuiltFiles } from "../../src/cli/compiled-code.js";
import { tempDir } from "../support/temp.js";

/** As the build ends its files. */
function built(file: string, code: string): string {
  writeFileSync(file, `${code}\n// ${createHash("sha256").update(code).digest("hex")}\n`);
  return file;
}

function makePackage() {
  const dir = tempDir();
  const main = built(
    join(dir, "program.cjs"),
    `const { word } = require("./part.cjs"); const path = require("node:path");
     exports.say = () => [word(), path.basename(__filename), path.basename(__dirname) === path.basename(${JSON.stringify(dir)})];
     exports.load = require("./import.cjs").load;`,
  );
  built(join(dir, "part.cjs"), 'exports.word = () => "first";');
  writeFileSync(join(dir, "import.cjs"), "exports.load = (name) => import(name);");
  return { dir, main };
}

interface Program {
  say(): unknown[];
  load(name: string): Promise<Record<string, unknown>>;
}

function call(main: string, folder: string | null): Program {
  const files = new BuiltFiles(folder);
  const program = files.load(main) as Program;
  program.say();
  files.keep();
  return program;
}

const SAID = ["first", "program.cjs", true];

describe("built files", () => {
  it("run the same with compiled code and without, and import modules of either format", async () => {
    const [{ main }, folder] = [makePackage(), tempDir()];
    for (const where of [null, folder, folder]) {
      const program = call(main, where);
      expect(program.say()).toEqual(SAID);
      expect(Object.keys(await program.load("node:path"))).toContain("basename");
    }
  });

  it("are compiled once, and what is kept is their user's alone", () => {
    const [{ main }, folder] = [makePackage(), tempDir()];
    call(main, folder);
    const marks = () => readdirSync(folder).map((name) => [name, statSync(join(folder, name)).ino]);
    const before = marks();
    expect(before.map(([name]) => name)).toEqual([
      expect.stringContaining("part.cjs"),
      expect.stringContaining("program.cjs"),
    ]);
    for (const [name] of before) expect(statSync(join(folder, String(name))).mode & 0o777).toBe(0o600);
    call(main, folder);
    expect(marks()).toEqual(before);
  });

  it("of a new version are compiled anew, also where they are as long", () => {
    const [{ dir, main }, folder] = [makePackage(), tempDir()];
    call(main, folder);
    built(join(dir, "part.cjs"), 'exports.word = () => "other";');
    expect(call(main, folder).say()).toEqual(["other", ...SAID.slice(1)]);
    expect(call(main, folder).say()).toEqual(["other", ...SAID.slice(1)]);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it("run without what is damaged, which is made anew", () => {
    const [{ main }, folder] = [makePackage(), tempDir()];
    call(main, folder);
    const kept = readdirSync(folder).map((name) => join(folder, name));
    const whole = kept.map((file) => readFileSync(file));
    const damages: ((code: Buffer) => Buffer)[] = [
      () => Buffer.alloc(0),
      (code) => code.subarray(0, code.length - 1),
      (code) => Buffer.concat([code, code]),
      ...[0, 70, 100, 150, -1].map((at) => (code: Buffer) => {
        const changed = Buffer.from(code);
        const place = at < 0 ? changed.length + at : at;
        changed[place] = (changed[place] ?? 0) ^ 1;
        return changed;
      }),
    ];
    for (const damage of damages) {
      for (const [index, file] of kept.entries()) writeFileSync(file, damage(whole[index] ?? Buffer.alloc(0)));
      expect(call(main, folder).say()).toEqual(SAID);
      for (const [index, file] of kept.entries())
        expect(readFileSync(file).length).toBeGreaterThan((whole[index]?.length ?? 0) / 2);
      expect(call(main, folder).say()).toEqual(SAID);
    }
  });

  it("run where nothing can be kept", () => {
    const { dir, main } = makePackage();
    expect(call(main, join(dir, "none")).say()).toEqual(SAID);
    expect(existsSync(join(dir, "none"))).toBe(false);
  });

  it("are never kept without the digest of what they were compiled from", () => {
    const [{ dir, main }, folder] = [makePackage(), tempDir()];
    writeFileSync(join(dir, "part.cjs"), 'exports.word = () => "first";');
    expect(call(main, folder).say()).toEqual(SAID);
    expect(readdirSync(folder).filter((name) => name.includes("part"))).toEqual([]);
  });
});
