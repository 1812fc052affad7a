// An engine that a kill leaves waiting for its dead parent, made on purpose and by kills at random moments of a boot: the next
// start ends it, and no neighbour's.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.js";
import { runCli } from "../support/cli.js";
import { count } from "../support/soak.js";
import { suiteDir } from "../support/temp.js";
import { enginesOf, tracesOf } from "../support/traces.js";

const WORKER = fileURLToPath(new URL("fixtures/run-worker.mjs", import.meta.url));
const UID = 41_234;

function start(roots: string, warm = 0): Promise<Runtime> {
  const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
  return createRuntime({ backend: "bubblewrap", workspaceRoot, sandboxRoot, warm });
}

const rootIdOf = (roots: string): string => readFileSync(join(roots, "workspace/.iso-runtime/root-id"), "utf8").trim();

/** bubblewrap's child, orphaned before its parent's word: the status line finds no reader, and that kills the parent. */
async function leaveEngine(sandbox: string): Promise<number> {
  const bwrap = "bwrap --unshare-user --unshare-all --die-with-parent --as-pid-1 --json-status-fd 1 --ro-bind / / true";
  const child = spawn("/bin/sh", ["-c", `{ sleep 0.2; exec ${bwrap}; } | true`], {
    ...{ stdio: "ignore", env: { PATH: "/usr/bin:/bin", ISO_RUNTIME_SANDBOX: sandbox }, detached: true },
    ...(process.getuid?.() === 0 && { uid: UID, gid: UID }),
  });
  await new Promise((done) => child.once("exit", done));
  const mine = enginesOf(sandbox.slice(0, 16)).map(Number);
  const left = mine.find((pid) => readFileSync(`/proc/${pid}/environ`, "utf8").includes(sandbox));
  if (left === undefined) throw new Error("bubblewrap left nothing: this test needs another way to make it");
  onTestFinished(() => {
    try {
      process.kill(left, "SIGKILL");
    } catch {
      // Ended, as it should be.
    }
  });
  return left;
}

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

describe("an engine left waiting in the middle of its boot", () => {
  const roots = suiteDir();

  it("is ended by the next start where its instance is dead, and left alone where it lives or is of another root", async () => {
    await using neighbour = await start(roots, 1);
    await neighbour.warm();
    const rootId = rootIdOf(roots);
    const [living = ""] = enginesOf(rootId).map(
      (pid) => /SANDBOX=[0-9a-f]{16}-([0-9a-f]{16})/.exec(environ(pid))?.[1] ?? "",
    );
    expect(living).toMatch(/^[0-9a-f]{16}$/);
    const dead = await leaveEngine(`${rootId}-00000000deadbeef-01`);
    const alive = await leaveEngine(`${rootId}-${living}-02`);
    const foreign = await leaveEngine("0123456789abcdef-00000000deadbeef-03");
    await using next = await start(roots);
    expect(await next.run({ userId: "e", code: "" })).toMatchObject({ ok: true });
    expect([dead, alive, foreign].map(isAlive)).toEqual([false, true, true]);
    expect(await neighbour.run({ userId: "n", code: "" })).toMatchObject({ ok: true, sandbox: { warm: true } });
  });

  it("is ended by doctor", async () => {
    mkdirSync(roots, { recursive: true });
    const dead = await leaveEngine(`${rootIdOf(roots)}-00000000deadbeef-01`);
    expect((await runCli(["doctor", "--json"], { roots, env: { DOCKER_HOST: "unix:///nowhere" } })).status).toBe(0);
    expect(isAlive(dead)).toBe(false);
  });
});

const environ = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
};

describe("kills at random moments of boots", () => {
  const roots = suiteDir();
  const kills = count(12, 500);

  it(`leave nothing after the next start, ${kills} kills of four boots each`, { timeout: kills * 20_000 }, async () => {
    await (await start(roots)).close();
    let orphans = 0;
    for (let round = 0; round < kills; round += 1) {
      const order = { roots, backend: "bubblewrap", warm: 4, boots: true, runs: [] };
      const child = spawn(process.execPath, [WORKER, JSON.stringify(order)], { stdio: ["ignore", "pipe", "ignore"] });
      await says(child, "booting");
      // From the first engine's start to the last one's hello.
      await sleep(Math.random() * 60);
      const gone = new Promise((done) => child.once("close", done));
      child.kill("SIGKILL");
      await gone;
      await sleep(100);
      orphans += enginesOf(rootIdOf(roots)).length;
    }
    await using next = await start(roots);
    expect(await next.run({ userId: "e", code: "" })).toMatchObject({ ok: true });
    await next.close();
    console.log(`${kills} kills of four boots each: ${orphans} engines were left, 0 after the next start`);
    expect(await tracesOf(roots)).toEqual([]);
  });
});

function says(child: ChildProcess, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      if (text.includes(line)) resolve();
    });
    child.once("close", () => reject(new Error(`ended without saying ${line}: ${text}`)));
  });
}
