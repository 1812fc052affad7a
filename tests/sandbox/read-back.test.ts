// A sandbox that is weaker than asked for is never handed out, whatever the engine said of it.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Layer, overlooked } from "../../src/sandbox/layers.js";
import { type Demands, readCeilings, readIsolation } from "../../src/sandbox/read-back.js";
import { tempDir } from "../support/temp.js";

const NONE = "0000000000000000";
const STATUS = {
  ...{ Uid: "4242\t4242\t4242\t4242", Seccomp: "2", NoNewPrivs: "1" },
  ...{ CapInh: NONE, CapPrm: NONE, CapEff: NONE, CapAmb: NONE, CapBnd: NONE },
};
const DEMANDS: Demands = { namespaces: ["user", "mnt", "pid", "net", "ipc"], seccomp: true, said: [] };
const NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

function makeProc(status: Partial<typeof STATUS> = {}, shared: string[] = []): string {
  const proc = tempDir();
  for (const [process, number] of [
    ["self", 1],
    ["77", 2],
  ] as const) {
    mkdirSync(join(proc, process, "ns"), { recursive: true });
    for (const name of NAMESPACES) {
      symlinkSync(`${name}:[${shared.includes(name) ? 1 : number}]`, join(proc, process, "ns", name));
    }
  }
  const lines = Object.entries({ ...STATUS, ...status }).map(([name, value]) => `${name}:\t${value}\n`);
  writeFileSync(join(proc, "77/status"), `Name:\tx: y\n${lines.join("")}`);
  return proc;
}

describe("reading back", () => {
  it("tells what there is", () => {
    expect(readIsolation(77, DEMANDS, makeProc())).toEqual({ namespaces: NAMESPACES, seccomp: true, hostUid: 4242 });
  });

  it("does without namespaces that a kernel may lack, and says so", () => {
    const { namespaces } = readIsolation(77, DEMANDS, makeProc({}, ["cgroup"]));
    expect(namespaces).not.toContain("cgroup");
  });

  it.each([
    [{ Uid: "0\t0\t0\t0" }, [], /root on the host/],
    [{ Uid: "4242\t0\t4242\t4242" }, [], /root on the host/],
    [{ Seccomp: "0" }, [], /no system call filter/],
    [{ NoNewPrivs: "0" }, [], /gain privileges/],
    [{ CapEff: "0000000000200000" }, [], /has capabilities/],
    [{ CapPrm: "0000000000000001" }, [], /has capabilities/],
    [{ CapBnd: "00000000a80425fb" }, [], /has capabilities/],
    [{}, ["net"], /shares our net namespace/],
    [{}, ["user", "pid"], /user namespace, it shares our pid/],
  ])("refuses %j with %j shared", (status, shared, message) => {
    expect(() => readIsolation(77, DEMANDS, makeProc(status, shared))).toThrow(message);
  });

  it.each<[Layer, Record<string, string>, string[]]>([
    ["host-uid", { Uid: "0\t0\t0\t0" }, []],
    ["seccomp", { Seccomp: "0" }, []],
    ["no-new-privileges", { NoNewPrivs: "0" }, []],
    ["capabilities", { CapEff: "0000000000200000" }, []],
    ["network-namespace", {}, ["net"]],
    ["pid-namespace", {}, ["pid"]],
  ])("overlooks %s where a test took it away, and nothing else", (layer, status, shared) => {
    const read = (overlook: Layer) =>
      readIsolation(77, { ...DEMANDS, overlook: new Set([overlook]) }, makeProc(status, shared));
    expect(() => read(layer)).not.toThrow();
    expect(() => read("environment")).toThrow(/not what it must be/);
  });

  it("overlooks nothing unless the proof itself was taken away", () => {
    expect(overlooked(new Set(["seccomp"]))).toEqual(new Set());
    expect(overlooked(new Set(["seccomp", "proof"]))).toContain("seccomp");
  });

  it("tells the hard limits that no limit inside exceeds", () => {
    const proc = makeProc();
    const row = (...columns: string[]) =>
      columns.map((column, at) => column.padEnd([26, 21, 21, 10][at] ?? 0)).join("");
    const rows = [
      row("Limit", "Soft Limit", "Hard Limit", "Units"),
      row("Max file size", "unlimited", "unlimited", "bytes"),
      row("Max processes", "100", "96365", "processes"),
      row("Max open files", "256", "300", "files"),
    ];
    writeFileSync(join(proc, "77/limits"), rows.join("\n"));
    expect(readCeilings(77, proc)).toEqual({ processes: 96_365, openFiles: 300 });
    expect(readCeilings(process.pid)).not.toEqual({});
  });

  it("refuses what it cannot see", () => {
    const proc = makeProc();
    rmSync(join(proc, "77/ns/net"));
    expect(() => readIsolation(77, DEMANDS, proc)).toThrow(/shares our net/);
    expect(() => readIsolation(78, DEMANDS, proc)).toThrow(/cannot be looked at/);
  });

  it("believes an engine in what the kernel does not show, and in nothing else", () => {
    const demands: Demands = { namespaces: ["net", "pid"], seccomp: false, said: ["net", "pid", "mnt"] };
    const proc = makeProc({ Seccomp: "0" }, ["user", "mnt"]);
    rmSync(join(proc, "77/ns/net"));
    const { namespaces, seccomp } = readIsolation(77, demands, proc);
    expect(namespaces).toEqual(["pid", "net", "ipc", "uts", "cgroup"]);
    expect(seccomp).toBe(false);
    expect(() => readIsolation(77, demands, makeProc({}, ["pid"]))).toThrow(/shares our pid/);
  });
});
