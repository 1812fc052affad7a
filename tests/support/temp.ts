// Temporary folders that are gone after each test, whatever was planted in them.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { removeTree } from "../../src/safefs/remove.js";

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "iso-test-"));
  onTestFinished(() => removeTree(dir));
  return dir;
}

/** One folder for a whole suite. */
export function suiteDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "iso-suite-"));
  afterAll(() => removeTree(dir));
  return dir;
}
