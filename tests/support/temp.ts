// Temporary folders that are gone after each test, whatever was planted in them.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { removeTree } from "../../src/safefs/remove.js";

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "iso-test-"));
  onTestFinished(() => removeTree(dir));
  return dir;
}

/** A folder that holds these files, named by their paths in it. */
export function tempFiles(files: Record<string, string>): string {
  const dir = tempDir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

/** One folder for a whole suite. */
export function suiteDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "iso-suite-"));
  afterAll(() => removeTree(dir));
  return dir;
}
