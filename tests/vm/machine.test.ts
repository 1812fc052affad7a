// The product on a machine as users have them: systemd, control groups of version 2, AppArmor; as root, as an ordinary user with
// and without a delegated group, and where user namespaces are switched off.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { count } from "../support/soak.js";
import { Guest } from "./guest.js";
import { whyNoGuest } from "./image.js";
import { type Account, DELEGATED, Product, quoted } from "./product.js";

const missing = whyNoGuest();
if (missing !== null) console.warn(`NOTHING IS TESTED ON AN EMULATED MACHINE: ${missing}.`);

const CONFIG = JSON.stringify({ profiles: { small: { backend: "bubblewrap", memory: "96MiB", processes: 20 } } });
const MEMORY_BOMB = "held = []\nwhile True: held.append(bytearray(8 << 20))";
const FORKS = `
import os, signal, time
made = 0
try:
    for _ in range(200):
        if os.fork() == 0: time.sleep(600)
        made += 1
except BlockingIOError:
    print("refused after", made)
`;
/** Half a minute each, so CI takes one of each kind. */
const FULL = count(0, 1) === 1;
type Part = "scenario" | "memory" | "processes" | "doctor";
const NOTHING_LEFT = `find /sys/fs/cgroup -path '*/iso-runtime/*' -name cgroup.procs; pgrep -a bwrap; pgrep -af '[i]so_runner'; true`;

describe.skipIf(missing !== null)("on a machine with systemd", { timeout: 900_000 }, () => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await Guest.boot();
  }, 900_000);
  afterAll(() => guest?.stop());

  it("has what it is there for: version 2 alone, AppArmor, a user whose manager runs", async () => {
    const { stdout } = await guest.run(
      "stat -fc %T /sys/fs/cgroup; cat /sys/module/apparmor/parameters/enabled; systemctl is-active user@1000",
    );
    expect(stdout).toBe("cgroup2fs\nY\nactive\n");
  });

  describe.each<[string, Account, string, Part[]]>([
    ["root", { user: "root" }, "cgroup-v2", ["scenario", "memory"]],
    ["an ordinary user with a delegated group", { user: "tester", by: DELEGATED }, "cgroup-v2", ["processes"]],
    ["an ordinary user", { user: "tester" }, "rlimit", ["doctor"]],
  ])("as %s", (_name, account, enforcedBy, smoke) => {
    const part = (name: Part) => it.runIf(FULL || smoke.includes(name));
    let product: Product;
    beforeAll(async () => {
      product = new Product(guest, account);
      await product.shell(`printf %s ${quoted(CONFIG)} > "$HOME/iso.json"`);
    });

    part("scenario")("runs the first scenario, and says what holds its limits", async () => {
      const result = await product.run("--scenario 0");
      expect(result).toMatchObject({ status: "succeeded", error: null });
      const limits = result.sandbox?.policy.limits;
      expect([limits?.memory?.enforcedBy, limits?.processes?.enforcedBy]).toEqual([enforcedBy, enforcedBy]);
      expect(limits?.cpus?.enforcedBy).toBe(enforcedBy === "rlimit" ? "none" : enforcedBy);
      const hostUid = result.sandbox?.policy.isolation.hostUid ?? 0;
      if (account.user === "root") expect(hostUid).toBeGreaterThanOrEqual(70_000);
      else expect(hostUid).toBe(1000);
    });

    part("memory")("ends a program that takes too much memory by the limit", async () => {
      const result = await product.run('--config "$HOME/iso.json" --profile small', MEMORY_BOMB);
      if (enforcedBy === "rlimit") expect(result).toMatchObject({ error: { code: "program_error" } });
      else expect(result).toMatchObject({ status: "failed", error: { code: "out_of_memory" } });
      if (enforcedBy !== "rlimit") expect(result.sandbox?.policy.limits.memory?.hits).toBeGreaterThan(0);
    });

    part("processes")("refuses processes beyond their number, and leaves nothing", async () => {
      const result = await product.run('--config "$HOME/iso.json" --profile small', FORKS);
      expect(result.output.stdout.text).toMatch(/^refused after 1\d\n$/);
      if (enforcedBy !== "rlimit") expect(result.sandbox?.policy.limits.processes?.hits).toBeGreaterThan(0);
      expect((await guest.run(NOTHING_LEFT)).stdout).toBe("");
    });

    part("doctor")("tells in doctor what enforces the limits, or the command that gets it", async () => {
      const { ok, backends } = await product.doctor();
      expect(ok).toBe(true);
      const check = backends[0]?.checks.find(({ name }) => name === "control groups");
      if (enforcedBy !== "rlimit") expect(check).toMatchObject({ status: "ok" });
      else expect(check).toMatchObject({ status: "warn", fix: expect.stringContaining("-p Delegate=yes") });
    });
  });

  it.each(
    [
      ["kernel.unprivileged_userns_clone", "1"],
      ["user.max_user_namespaces", "15000"],
    ].slice(0, count(1, 2)),
  )("names %s where it keeps sandboxes from being made", async (setting, on) => {
    const product = new Product(guest, { user: "tester" });
    await guest.run(`sysctl -qw ${setting}=0`);
    try {
      const mend = `sudo sysctl -w ${setting}=${on}`;
      const { ok, backends } = await product.doctor();
      expect(ok).toBe(false);
      const check = backends[0]?.checks.find(({ name }) => name === "namespaces");
      expect(check).toMatchObject({ status: "fail", message: expect.stringContaining(setting), fix: mend });
      const { status, error } = await product.run("", "print(1)");
      expect({ status, error }).toMatchObject({ status: "failed", error: { code: "sandbox_unavailable" } });
      expect(error?.hint).toContain(mend);
    } finally {
      await guest.run(`sysctl -qw ${setting}=${on}`);
    }
  });
});
