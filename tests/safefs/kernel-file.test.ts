// Files of the kernel are read whole, whatever its page holds at a time.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readKernelFile } from "../../src/safefs/kernel-file.js";
import { tempDir } from "../support/temp.js";

/** Of the first 64 KiB: a part of a pid would be another process's. */
const wholeLines = (text: string) => text.slice(0, text.lastIndexOf("\n", 65_535) + 1);

describe("a small file of the kernel", () => {
  it("is read whole, of any length there is room for", () => {
    const path = join(tempDir(), "file");
    fc.assert(
      fc.property(
        fc.oneof(fc.nat(70_000), fc.constantFrom(0, 1, 2047, 2048, 4096, 65_535, 65_536, 65_537)),
        (length) => {
          const text = Buffer.alloc(length, "ab\xff\n", "latin1").toString("latin1");
          writeFileSync(path, text, "latin1");
          expect(readKernelFile(path)).toBe(text.length < 65_536 ? text : wholeLines(text));
        },
      ),
      { numRuns: 60 },
    );
  });

  const long = ["/proc/crypto", "/proc/self/mountinfo", "/proc/filesystems"].filter(existsSync);
  it.each(long)("%s is what it is, of more than one page as well", (path) => {
    const text = readFileSync(path, "latin1");
    expect(readKernelFile(path)).toBe(text.length < 65_536 ? text : wholeLines(text));
  });

  it("tells why it cannot be read", () => {
    expect(() => readKernelFile("/proc/0/stat")).toThrow("ENOENT");
  });
});
