// Which part of a file a Range header means.
import { describe, expect, it } from "vitest";
import { partOf } from "../../src/http/range.js";

describe("a range of ten bytes", () => {
  it.each<[string, [number, number]]>([
    ["bytes=0-0", [0, 1]],
    ["bytes=0-", [0, 10]],
    ["bytes=3-5", [3, 6]],
    ["bytes=9-99", [9, 10]],
    ["bytes=-1", [9, 10]],
    ["bytes=-99", [0, 10]],
    ["BYTES= 2 - 3 ", [2, 4]],
  ])("is %s", (header, [start, end]) => {
    expect(partOf(header, 10)).toEqual({ start, end });
  });

  it.each(["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=999999999999999-"])("is not %s", (header) => {
    expect(partOf(header, 10)).toBe("unsatisfiable");
  });

  it.each([
    undefined,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=5-3",
    "bytes=a-b",
    "bytes=0-1,3-4",
    "lines=1-2",
    "bytes=1e3-",
    "bytes=0x0-1",
    `bytes=0-${"9".repeat(400)}`,
  ])("is not asked for by %j, which gets all", (header) => {
    expect(partOf(header, 10)).toBeNull();
  });

  it("is none of an empty file", () => {
    expect(partOf("bytes=0-", 0)).toBe("unsatisfiable");
    expect(partOf("bytes=-5", 0)).toBe("unsatisfiable");
  });
});
