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
/** As docs/operation.md has it, from this folder in the place of a package. */
const UNIT = `
set -e
useradd --system --home-dir /var/lib/iso-runtime --shell /usr/sbin/nologin iso-runtime
ln -s /project/dist/cli/main.js /usr/bin/iso-runtime
ln -sf "$(command -v node)" /usr/bin/node 2>/dev/null || true
cp /project/deploy/iso-runtime.service /etc/systemd/system/
mkdir -p /etc/iso-runtime
echo ISO_RUNTIME_SERVE_FLAGS=--drain=5 > /etc/iso-runtime/environment
systemctl daemon-reload
systemctl start iso-runtime
for try in $(seq 300); do
  if [ -s /run/iso-runtime/service.json ]; then exit 0; fi
  systemctl is-failed -q iso-runtime && break
  sleep 0.3
done
journalctl -u iso-runtime -o cat; exit 1
`;
const CALLER = `
import { readFileSync } from "node:fs";
import { createClient } from "/project/dist/client/index.js";
const { url, token } = JSON.parse(readFileSync("/run/iso-runtime/service.json", "utf8"));
console.log(JSON.stringify(await createClient({ url, token, user: "alice" }).runs.create(JSON.parse(process.argv[1]))));
`;
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

  it("serves as the unit that the package has, without privileges, with limits that the kernel holds, and stops in order", async () => {
    const started = await guest.run(UNIT);
    expect(started.status, `${started.stdout}${started.stderr}`).toBe(0);
    const run = async (code: string) => {
      const body = JSON.stringify({ code, contract: [{ path: "a.txt", description: "a file" }] });
      const { stdout, stderr } = await guest.run(`node --input-type=module -e ${quoted(CALLER)} ${quoted(body)}`);
      return JSON.parse(stdout || JSON.stringify(stderr));
    };
    const result = await run("import os\nopen(os.environ['OUTPUT_DIR'] + '/a.txt', 'w').write('a')");
    expect(result).toMatchObject({ ok: true, contract: [{ status: "satisfied" }] });
    const { limits, isolation } = result.sandbox.policy;
    expect([limits.memory.enforcedBy, limits.processes.enforcedBy]).toEqual(["cgroup-v2", "cgroup-v2"]);
    expect(isolation.seccomp).toBe(true);
    expect(await run(MEMORY_BOMB)).toMatchObject({ status: "failed", error: { code: "out_of_memory" } });
    expect(await run("print(1)")).toMatchObject({ error: { code: "contract_unmet" } });
    const unit = await guest.run(
      "systemctl show iso-runtime -p ActiveState -p NRestarts -p User; stat -c '%a %U' /run/iso-runtime /run/iso-runtime/service.json; " +
        "systemctl stop iso-runtime; systemctl show iso-runtime -p Result -p ExecMainStatus; journalctl -u iso-runtime -o cat | tail -n 30",
    );
    expect(unit.stdout).toContain("NRestarts=0\nUser=iso-runtime\nActiveState=active\n");
    expect(unit.stdout).toContain("700 iso-runtime\n600 iso-runtime\n");
    expect(unit.stdout).toMatch(/Result=success\nExecMainStatus=0\n[\s\S]*"event":"run"[\s\S]*"state":"stopped"/);
    expect(unit.stdout).not.toContain('"token"');
    expect((await guest.run(NOTHING_LEFT)).stdout).toBe("");
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
