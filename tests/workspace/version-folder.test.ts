// What a version's folder says is its own, also where it is written over another's and a loss of power kept a part of that.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Delta, emptyDelta } from "../../src/workspace/delta.js";
import { makeRecord, readDeltaIn, readRecord, writeVersion } from "../../src/workspace/version-folder.js";
import { tempDir } from "../support/temp.js";

const record = (number: number) =>
  makeRecord({
    ...{ kind: "run", number, mark: `run-${number}`, before: null, root: 1n, files: 1, replacedBytes: 0 },
    changes: { created: 1, modified: 0, deleted: 0 },
  });
const deltaOf = (count: number): Delta => {
  const delta = emptyDelta();
  for (let at = 0; at < count; at += 1) delta.now.set(`folder-${at}`, { kind: "dir" });
  return delta;
};

it("is read back, whatever was there before", () => {
  const folder = tempDir();
  for (const [number, count] of [
    [1, 500],
    [2, 1],
    [3, 40],
  ] as const) {
    const written = record(number);
    writeVersion(folder, written, deltaOf(count), false);
    expect(readRecord(folder)).toEqual(written);
    expect(readDeltaIn(folder, written.id)?.now.size).toBe(count);
  }
  writeVersion(folder, record(4), null, false);
  expect(readDeltaIn(folder, record(4).id)).toBeNull();
});

it("is nobody's where it is another version's, or a part of it is", () => {
  const folder = tempDir();
  const path = join(folder, "delta.json");
  writeVersion(folder, record(1), deltaOf(2000), false);
  const earlier = readFileSync(path);
  writeVersion(folder, record(2), deltaOf(2001), false);
  const later = readFileSync(path);
  for (const text of [
    earlier,
    Buffer.concat([later.subarray(0, 4096), earlier.subarray(4096)]),
    Buffer.concat([earlier.subarray(0, 4096), later.subarray(4096)]),
    later.subarray(0, later.length - 1),
    later.subarray(0, 40),
    Buffer.alloc(later.length),
  ]) {
    writeFileSync(path, text);
    expect(readDeltaIn(folder, record(2).id)).toBeNull();
  }
  writeFileSync(path, later);
  expect(readDeltaIn(folder, record(2).id)?.now.size).toBe(2001);
});
