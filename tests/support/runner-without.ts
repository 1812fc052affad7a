// The runner without one of its lines, for tests that must see what that line is good for.
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PYTHON_DIR = fileURLToPath(new URL("../../python", import.meta.url));

const PACKAGES = ["iso_runner", "iso_zygote"];

/** A folder below `dir` that holds our packages, with an `iso_runner` whose `file` lacks the one line that begins so. */
export function runnerWithout(dir: string, file: string, line: string): string {
  mkdirSync(dir, { recursive: true });
  for (const name of PACKAGES) cpSync(join(PYTHON_DIR, name), join(dir, name), { recursive: true });
  const path = join(dir, "iso_runner", file);
  const lines = readFileSync(path, "utf8").split("\n");
  const found = lines.filter((text) => text.trim().startsWith(line));
  if (found.length !== 1) throw new Error(`${file} has ${found.length} lines that begin with ${line}`);
  writeFileSync(path, lines.map((text) => (text === found[0] ? text.replace(line, "pass  # ") : text)).join("\n"));
  for (const folder of [dir, ...PACKAGES.map((name) => join(dir, name))]) chmodSync(folder, 0o755);
  return dir;
}
