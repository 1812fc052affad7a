// Which ids of a range are nobody's.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type IdRange, idAt, readIdTables, sizeOf, usableRanges } from "../../src/sandbox/id-ranges.js";

const ALL = "         0          0 4294967295\n";

function usable(files: Record<string, string>, range = { first: 10, last: 15 }): number[] {
  const maps = { "/proc/self/uid_map": ALL, "/proc/self/gid_map": ALL };
  const ranges: IdRange[] = usableRanges(
    range,
    readIdTables((path) => ({ ...maps, ...files })[path] ?? ""),
  );
  expect(() => idAt(ranges, sizeOf(ranges))).toThrow(RangeError);
  return Array.from({ length: sizeOf(ranges) }, (_, place) => idAt(ranges, place));
}

describe("usable ids", () => {
  it.each([
    ["a host without accounts", {}, [10, 11, 12, 13, 14, 15]],
    ["a host without tables", { "/proc/self/uid_map": "", "/proc/self/gid_map": "" }, [10, 11, 12, 13, 14, 15]],
    ["an account", { "/etc/passwd": "root:x:0:0::/:/bin/sh\nann:x:12:99::/:/bin/sh\n" }, [10, 11, 13, 14, 15]],
    ["a group", { "/etc/group": "ann:x:13:\n" }, [10, 11, 12, 14, 15]],
    ["subordinate users", { "/etc/subuid": "ann:11:3\n" }, [10, 14, 15]],
    ["subordinate groups", { "/etc/subgid": "ann:8:4\n" }, [12, 13, 14, 15]],
    ["a namespace with few users", { "/proc/self/uid_map": "0 1000 1\n1 100000 12\n" }, [10, 11, 12]],
    ["a namespace with few groups", { "/proc/self/gid_map": "11 0 1\n14 0 1\n" }, [11, 14]],
    [
      "lines that are none",
      { "/etc/passwd": "+::::::\nann:x\n\n:x:1x:\n", "/etc/subuid": "a:b:c" },
      [10, 11, 12, 13, 14, 15],
    ],
  ])("of %s", (_name, files, expected) => {
    expect(usable(files)).toEqual(expected);
  });

  it("hold neither root nor what 16 bits have for nobody and for none", () => {
    expect(usable({}, { first: 0, last: 2 })).toEqual([1, 2]);
    expect(usable({}, { first: 65_533, last: 65_536 })).toEqual([65_533, 65_536]);
  });

  it("are those of the range that no account has, whatever the tables say", () => {
    const id = fc.integer({ min: 1, max: 40 });
    const subordinates = fc.array(fc.tuple(id, fc.integer({ min: 0, max: 9 })), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(id, { maxLength: 6 }), subordinates, id, id, (accounts, others, first, count) => {
        const files = {
          "/etc/passwd": accounts.map((uid) => `a:x:${uid}:0::/:/bin/sh`).join("\n"),
          "/etc/subuid": others.map(([from, many]) => `a:${from}:${many}`).join("\n"),
        };
        const taken = (uid: number) =>
          accounts.includes(uid) || others.some(([from, many]) => uid >= from && uid < from + many);
        const range = Array.from({ length: count }, (_, index) => first + index);
        expect(usable(files, { first, last: first + count - 1 })).toEqual(range.filter((uid) => !taken(uid)));
      }),
    );
  });
});
