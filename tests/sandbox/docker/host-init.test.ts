// A container's first process is only taken for it where the kernel says so.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findHostInit } from "../../../src/sandbox/docker/host-init.js";
import { tempFiles } from "../../support/temp.js";

const ID = "5c".repeat(32);
const stat = (state: string, started: number) =>
  `77 (a) b) ${state} ${Array.from({ length: 18 }, () => "0").join(" ")} ${started} 0\n`;

function makeProc({ id = ID, nspid = "77\t1", state = "S" } = {}): string {
  return tempFiles({
    "77/cgroup": `8:pids:/docker/${id}\n0::/\n`,
    "77/status": `Name:\tpython3\nNSpid:\t${nspid}\n`,
    "77/stat": stat(state, 4242),
  });
}

describe("a container's first process", () => {
  it("is found by its engine's pid", () => {
    expect(findHostInit({ id: ID, pid: 77 }, makeProc())?.isAlive()).toBe(true);
    expect(findHostInit({ id: ID, pid: 77 }, makeProc({ nspid: "77\t9\t1" }))).not.toBeNull();
  });

  it.each([
    ["another container's", { id: ID, pid: 77 }, { id: "6d".repeat(32) }],
    ["not the first of its namespace", { id: ID, pid: 77 }, { nspid: "77\t12" }],
    ["the first of our own namespace", { id: ID, pid: 77 }, { nspid: "1" }],
    ["dead", { id: ID, pid: 77 }, { state: "Z" }],
    ["none of ours to see", { id: ID, pid: 78 }, {}],
    ["no process", { id: ID, pid: 0 }, {}],
    ["of a container that is no id", { id: "", pid: 77 }, {}],
  ])("is nobody where that pid is %s", (_name, named, proc) => {
    expect(findHostInit(named, makeProc(proc))).toBeNull();
  });

  it("has ended when it is gone, or its pid is somebody else's", async () => {
    const proc = makeProc();
    const init = findHostInit({ id: ID, pid: 77 }, proc);
    expect(await init?.endsWithin(1)).toBe(false);
    writeFileSync(join(proc, "77/stat"), stat("S", 4243));
    expect(await init?.endsWithin(1)).toBe(true);
    rmSync(join(proc, "77"), { recursive: true });
    expect(await init?.endsWithin(1)).toBe(true);
  });

  it("is taken for alive where it cannot be looked at", () => {
    const proc = makeProc();
    const init = findHostInit({ id: ID, pid: 77 }, proc);
    rmSync(join(proc, "77/stat"));
    mkdirSync(join(proc, "77/stat"));
    expect(init?.isAlive()).toBe(true);
  });
});
