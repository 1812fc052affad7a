// The first commands on machines that lack something, played by a search path of small programs: what is installed, by whom, and what
// is said where nothing can be.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../support/temp.js";

const PLAIN_TOOLS = ["cat", "dirname", "env", "mktemp", "rm", "sed", "sh", "tail"];
const REPOSITORY = resolve(".");

interface Machine {
  /** Programs by name, as bodies of shell scripts. */
  has: Record<string, string>;
}

function machine({ has }: Machine) {
  const bin = tempDir();
  const calls = join(bin, "calls.log");
  for (const name of PLAIN_TOOLS) symlinkSync(join("/usr/bin", name), join(bin, name));
  for (const [name, body] of Object.entries(has)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const sh = (...args: string[]) => {
    const done = spawnSync("/bin/sh", args, { cwd: REPOSITORY, env: { PATH: bin, CALLS: calls }, encoding: "utf8" });
    return { ...done, calls: existsSync(calls) ? readFileSync(calls, "utf8").trimEnd().split("\n") : [] };
  };
  return {
    install: () => sh("scripts/install-system.sh", "run"),
    ready: (step: string) => sh("-c", `. scripts/node-ready.sh; ${step}`),
  };
}

const ROOT = { id: "echo 0" };
const SOMEBODY = { id: "echo 1000" };
const APT = { "apt-get": 'echo "apt-get $*" >>"$CALLS"' };
const INSTALL = "install --quiet --yes --no-install-recommends bubblewrap python3";
const BY_HAND = "apt-get install --yes --no-install-recommends bubblewrap python3";

describe("system packages", () => {
  it("are left alone where they are there", () => {
    const { status, calls, stdout } = machine({ has: { ...ROOT, ...APT, bwrap: "", python3: "" } }).install();
    expect({ status, calls, stdout }).toEqual({ status: 0, calls: [], stdout: "" });
  });

  it("are installed by root, who is told which", () => {
    const { status, calls, stdout } = machine({ has: { ...ROOT, ...APT } }).install();
    expect({ status, calls }).toEqual({ status: 0, calls: [`apt-get ${INSTALL}`] });
    expect(stdout).toContain("installing system packages: bubblewrap python3\n");
  });

  it("are only those that lack", () => {
    const { calls } = machine({ has: { ...ROOT, ...APT, python3: "" } }).install();
    expect(calls).toEqual(["apt-get install --quiet --yes --no-install-recommends bubblewrap"]);
  });

  it("are looked up again where the lists are old", () => {
    const updated = 'case "$(cat "$CALLS")" in *update*) exit 0 ;; *) exit 100 ;; esac';
    const { status, calls } = machine({ has: { ...ROOT, "apt-get": `${APT["apt-get"]}\n${updated}` } }).install();
    expect(status).toBe(0);
    expect(calls).toEqual([`apt-get ${INSTALL}`, "apt-get update --quiet", `apt-get ${INSTALL}`]);
  });

  it("go through sudo, which asks nobody where nobody is there", () => {
    const sudo = { sudo: 'echo "sudo $1" >>"$CALLS"; shift; exec "$@"' };
    const { status, calls, stdout } = machine({ has: { ...SOMEBODY, ...APT, ...sudo } }).install();
    expect({ status, calls }).toEqual({ status: 0, calls: ["sudo -n", `apt-get ${INSTALL}`] });
    expect(stdout).toContain("with sudo");
  });

  it.each([
    ["neither root nor sudo", { ...SOMEBODY, ...APT }, `apt-get update && ${BY_HAND}`],
    [
      "packages that cannot be had",
      { ...ROOT, "apt-get": "echo E: no such thing; exit 100" },
      `apt-get update && ${BY_HAND}`,
    ],
    ["dnf", { ...ROOT, dnf: "" }, "sudo dnf install bubblewrap python3"],
    ["pacman", { ...ROOT, pacman: "" }, "sudo pacman -S --needed bubblewrap python "],
    ["no known package manager", { ...ROOT }, "bubblewrap python3"],
  ])("end with what to run by hand: %s", (_, has, way) => {
    const { status, stderr } = machine({ has }).install();
    expect(status).toBe(1);
    expect(stderr).toContain("Way out:");
    expect(stderr).toContain(way);
  });

  it("show apt's own words where it failed", () => {
    const { stderr } = machine({ has: { ...ROOT, "apt-get": "echo E: no such thing; exit 100" } }).install();
    expect(stderr).toContain("E: no such thing");
  });
});

describe("Node.js", () => {
  const node = (version: string) => ({
    // The real one judges; only the version that it judges is another one.
    node: `[ "$1" = --version ] && echo v${version} && exit
code=$2
exec ${process.execPath} -e "Object.defineProperty(process.versions, 'node', { value: '${version}' }); $code"`,
  });

  it.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("%s will do", (version) => {
    expect(machine({ has: node(version) }).ready("require_node").status).toBe(0);
  });

  it.each(["20.18.3", "18.20.8", "9.99.0"])("%s is too old, and the way out is said", (version) => {
    const { status, stderr } = machine({ has: node(version) }).ready("require_node");
    expect(status).toBe(1);
    expect(stderr).toContain(`Node.js v${version} is too old; version 20.19 or newer is needed.`);
    expect(stderr).toContain("Way out:");
  });

  it("may be missing", () => {
    const { status, stderr } = machine({ has: {} }).ready("require_node");
    expect(status).toBe(1);
    expect(stderr).toContain("not on the PATH");
  });
});

describe("the system", () => {
  it("must be Linux", () => {
    expect(machine({ has: { uname: "echo Linux" } }).ready("require_linux").status).toBe(0);
    const { status, stderr } = machine({ has: { uname: "echo Darwin" } }).ready("require_linux");
    expect(status).toBe(1);
    expect(stderr).toContain("this is Darwin");
  });
});
