// The checks of `doctor` on hosts as they are found in the wild, as trees; and the real ones of this host.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findBwrap, installCommand } from "../../../src/sandbox/bubblewrap/engine.js";
import { type ProbeOptions, probeHost } from "../../../src/sandbox/bubblewrap/probe.js";
import { REAL_HOST } from "../../../src/sandbox/linux/cgroup-host.js";
import { explainRefusal } from "../../../src/sandbox/linux/refusal.js";
import { tempDir } from "../../support/temp.js";
import { makeHost, makeV2Host } from "../linux/host-tree.js";
import { isRoot, makeContext, SYSTEM_PATH } from "./bed.js";

const REFUSED = { exitCode: 1, stdout: "", stderr: "bwrap: setting up uid map: Permission denied\n" };

function probe(changes: Partial<ProbeOptions>) {
  const { users, python } = makeContext();
  const base = { roots: REAL_HOST, platform: "linux", searchPath: SYSTEM_PATH, python, users, isRoot };
  return probeHost({ ...base, ...changes });
}

describe("probe", () => {
  it("finds this host usable", async () => {
    const { usable, checks } = await probe({});
    expect(checks.filter((check) => check.status === "fail")).toEqual([]);
    expect(usable).toBe(true);
    expect(checks.map((check) => check.name)).toEqual([
      "bubblewrap",
      "namespaces",
      "python",
      "seccomp",
      "control groups",
    ]);
  });

  it("does not try anything where there is no Linux", async () => {
    expect(await probe({ platform: "darwin" })).toMatchObject({
      usable: false,
      checks: [{ name: "platform", status: "fail" }],
    });
  });

  it("names the package of the distribution where bubblewrap is missing, too old or no bubblewrap", async () => {
    const debian = "ID=debian\n";
    const hint = expect.stringContaining("sudo apt-get install bubblewrap");
    const dir = tempDir();
    const fake = (text: string) => {
      writeFileSync(join(dir, "bwrap"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return findBwrap(`relative:${dir}`, debian, "/nonexistent/bwrap");
    };
    const missing = findBwrap(join(dir, "empty"), debian, "/nonexistent/bwrap");
    await expect(missing).rejects.toMatchObject({ message: expect.stringMatching(/not installed/), hint });
    await expect(fake("echo bubblewrap 0.6.2")).rejects.toMatchObject({
      message: expect.stringMatching(/0\.6\.2; 0\.7/),
      hint,
    });
    await expect(fake("exit 3")).rejects.toMatchObject({ message: expect.stringMatching(/version/), hint });
    expect(await fake("echo bubblewrap 0.7.0")).toMatchObject({ version: "0.7.0", canDisableUserns: false });
    expect(await fake("echo bubblewrap 1.0")).toMatchObject({ version: "1.0", canDisableUserns: true });
  });

  it.each([
    ["ID=ubuntu\nID_LIKE=debian\n", "sudo apt-get install bubblewrap"],
    ["ID=debian\n", "sudo apt-get install bubblewrap"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install bubblewrap"],
    ["ID=arch\n", "sudo pacman -S bubblewrap"],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install bubblewrap"],
    ["ID=alpine\n", "sudo apk add bubblewrap"],
    [null, "Install the package bubblewrap of your distribution."],
  ])("installs on %j", (osRelease, command) => {
    expect(installCommand(osRelease)).toBe(command);
  });

  it("gives Ubuntu 24.04 the AppArmor profile that it lacks, from the package's own file", async () => {
    const roots = makeHost({ "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" });
    const { usable, checks } = await probe({ roots, trial: async () => REFUSED });
    expect(usable).toBe(false);
    const check = checks.find(({ name }) => name === "namespaces");
    expect(check?.message).toMatch(/AppArmor/);
    const [, file = "", installed] =
      /^sudo install -m 644 (\S+) (\S+) && sudo apparmor_parser -r \2$/.exec(check?.fix ?? "") ?? [];
    expect(readFileSync(file, "utf8")).toMatch(/bin\/bwrap flags=\(unconfined\) \{\n {2}userns,/);
    // Where it was installed it is not asked for again.
    const mended = makeHost({
      "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
      [`${installed}`.slice(1)]: "",
    });
    expect(explainRefusal(mended, REFUSED.stderr)).toBe(null);
  });

  it("does not blame AppArmor where bwrap has a profile", () => {
    const roots = makeHost({
      "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
      "etc/apparmor.d/bwrap-userns-restrict": "",
    });
    expect(explainRefusal(roots, REFUSED.stderr)).toBe(null);
  });

  it.each([
    ["kernel/unprivileged_userns_clone", "sudo sysctl -w kernel.unprivileged_userns_clone=1"],
    ["user/max_user_namespaces", "sudo sysctl -w user.max_user_namespaces=15000"],
  ])("names the switch %s", async (setting, fix) => {
    const roots = makeHost({ [`proc/sys/${setting}`]: "0\n" });
    const { checks } = await probe({ roots, trial: async () => REFUSED });
    expect(checks.find(({ name }) => name === "namespaces")).toMatchObject({ status: "fail", fix });
  });

  it.each([
    ["bwrap: No permissions to create new namespace", /system call filter/],
    ["bwrap: Can't mount proc on /newroot/proc: Operation not permitted", /covered \/proc/],
    ["bwrap: Failed to make / slave: Permission denied", /AppArmor/],
  ])("says of a container where %j what stands in the way, and how to start it", (said, reason) => {
    // A host's switches are seen in its containers too, and cannot be mended there.
    const roots = makeHost({ ".dockerenv": "", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" });
    const refusal = explainRefusal(roots, said);
    expect(refusal?.message).toMatch(reason);
    expect(refusal?.fix).toMatch(
      /--user 1000:1000 --security-opt seccomp=docker\/seccomp-host\.json --security-opt systempaths=unconfined/,
    );
  });

  it.each([
    ["00000000a80425fb", "fail"],
    ["00000000a82425fb", "fail"],
    ["00000000a82c25fb", "ok"],
  ])("takes root with the capabilities %s as: %s", async (capabilities, status) => {
    const roots = makeHost({ "proc/self/status": `Uid:\t0\t0\t0\t0\nCapEff:\t${capabilities}\n` });
    const { checks } = await probe({ roots, trial: async () => ({ exitCode: 0, stdout: "", stderr: "" }) });
    expect(checks.find(({ name }) => name === "namespaces")).toMatchObject({ status });
  });

  it("blames no switch for what failed later", () => {
    const roots = makeHost({ "proc/sys/kernel/unprivileged_userns_clone": "0\n" });
    expect(explainRefusal(roots, "ModuleNotFoundError: No module named 'x'")).toBe(null);
  });

  it("warns with the command that delegates, and stays usable, where control groups are not ours", async () => {
    const stranger = { "proc/77/stat": "77 (sshd) S 1 1 1 0" };
    const roots = makeV2Host("/s.scope", { "/s.scope": { offers: "memory pids cpu", pids: [77] } }, stranger);
    const { usable, checks } = await probe({ roots, trial: async () => ({ exitCode: 0, stdout: "", stderr: "" }) });
    expect(usable).toBe(true);
    const check = checks.find(({ name }) => name === "control groups");
    expect(check).toMatchObject({ status: "warn", fix: expect.stringContaining("Delegate=yes") });
    expect(check?.message).toMatch(/enforced: nothing/);
  });

  it("is fine with a delegated part of version 2", async () => {
    const roots = makeV2Host("/d.scope", { "/d.scope": { offers: "memory pids cpu", enabled: "memory pids cpu" } });
    const { checks } = await probe({ roots, trial: async () => ({ exitCode: 0, stdout: "", stderr: "" }) });
    expect(checks.find(({ name }) => name === "control groups")?.status).toBe("ok");
  });

  it("refuses a Python that is none, and one that is not there", async () => {
    const pythonOf = async (python: string) => (await probe({ python })).checks.find(({ name }) => name === "python");
    expect(await pythonOf("/usr/bin/true")).toMatchObject({
      status: "fail",
      message: expect.stringContaining("is no Python"),
    });
    expect(await pythonOf("no-such-python")).toMatchObject({
      status: "fail",
      message: expect.stringContaining("not found"),
    });
  });
});
