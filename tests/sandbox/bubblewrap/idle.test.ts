// A warm sandbox and its host's process: it does not keep that process alive, nor outlive it, however that one ends.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import type { BackendContext } from "../../../src/sandbox/backend.js";
import { planCgroups } from "../../../src/sandbox/linux/cgroup.js";
import { REAL_HOST } from "../../../src/sandbox/linux/cgroup-host.js";
import { tempDir } from "../../support/temp.js";
import { isRoot, makeBackend, makeContext, makeProfile, SANDBOX_UID } from "./bed.js";

const BACKEND = fileURLToPath(new URL("../../../src/sandbox/bubblewrap/backend.ts", import.meta.url));
const USERS = fileURLToPath(new URL("../../../src/sandbox/host-users.ts", import.meta.url));
const JITI = fileURLToPath(import.meta.resolve("jiti"));

/** A program that boots one sandbox, as a leased user where that can be, says so, and goes on with `then`. */
function hostProgram(context: BackendContext, then: string): string {
  const users = isRoot ? "new LeasedUsers({ range: null, owner })" : "oneUser(owner)";
  const script = join(tempDir(), "host.mjs");
  writeFileSync(
    script,
    `import { createJiti } from ${JSON.stringify(JITI)};
const jiti = createJiti(import.meta.url);
const { BubblewrapBackend } = await jiti.import(${JSON.stringify(BACKEND)});
const { LeasedUsers, oneUser } = await jiti.import(${JSON.stringify(USERS)});
const owner = { uid: ${isRoot ? SANDBOX_UID : "process.getuid()"}, gid: ${isRoot ? SANDBOX_UID : "process.getgid()"} };
const backend = new BubblewrapBackend({ ...${JSON.stringify(context)}, users: ${users} });
await backend.boot(${JSON.stringify(makeProfile())});
console.log("booted");
${then}
`,
  );
  return script;
}

/** Processes that have a slot of this instance mounted. */
function insiders({ instance }: BackendContext): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/mountinfo`, "utf8").includes(`/${instance.id}-`);
    } catch {
      return false;
    }
  });
}

async function expectClearedUp(context: BackendContext): Promise<void> {
  await expect.poll(() => insiders(context), { timeout: 20_000 }).toEqual([]);
  await makeBackend(context).reap(async () => false);
  const { places } = planCgroups(REAL_HOST, isRoot);
  const left = [...places.values()].flatMap((dir) => readdirSync(dir, { recursive: true, encoding: "utf8" }));
  expect(left.filter((path) => path.includes(context.instance.id))).toEqual([]);
}

it("lets a process end that has a sandbox waiting", async () => {
  const context = makeContext();
  const ran: SpawnSyncReturns<string> = spawnSync(process.execPath, [hostProgram(context, "")], {
    encoding: "utf8",
    timeout: 25_000,
  });
  expect(ran).toMatchObject({ stdout: "booted\n", stderr: "", status: 0, signal: null });
  await expectClearedUp(context);
});

it("ends with a process that is killed", async () => {
  const context = makeContext();
  const host = spawn(process.execPath, [hostProgram(context, "setInterval(() => {}, 1000);")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void host.kill("SIGKILL"));
  await once(host.stdout, "data");
  expect(insiders(context).length).toBeGreaterThan(0);
  host.kill("SIGKILL");
  await once(host, "exit");
  await expectClearedUp(context);
});
