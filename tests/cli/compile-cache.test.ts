import { chmodSync, chownSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheFolder } from "../../src/cli/compile-cache.js";
import { tempDir, tempFiles } from "../support/temp.js";

const IS_ROOT = process.getuid?.() === 0;

describe("the folder of compiled code", () => {
  it("is below the home, or where caches are said to be, for its user alone", () => {
    const home = tempDir();
    expect(cacheFolder({ HOME: home })).toBe(join(home, ".cache/iso-runtime"));
    expect(statSync(join(home, ".cache/iso-runtime")).mode & 0o777).toBe(0o700);
    expect(cacheFolder({ HOME: "/nowhere", XDG_CACHE_HOME: home })).toBe(join(home, "iso-runtime"));
  });

  it("is none without a home", () => {
    expect(cacheFolder({})).toBeNull();
  });

  it("is none where it cannot be made", () => {
    expect(cacheFolder({ HOME: join(tempFiles({ file: "" }), "file") })).toBeNull();
  });

  it("is none where others may write", () => {
    const home = tempDir();
    expect(cacheFolder({ HOME: home })).not.toBeNull();
    chmodSync(join(home, ".cache"), 0o777);
    expect(cacheFolder({ HOME: home })).toBeNull();
  });

  it.runIf(IS_ROOT)("is none in the home of somebody else", () => {
    const home = tempDir();
    chownSync(home, 12_345, 12_345);
    expect(cacheFolder({ HOME: home })).toBeNull();
  });
});
