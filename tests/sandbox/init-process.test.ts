// How a first process is known to run no more, and what is no proof of it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { InitProcess } from "../../src/sandbox/init-process.js";

const children: ChildProcess[] = [];
const dirs: string[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

async function python(code: string): Promise<InitProcess> {
  const child = spawn("python3", ["-I", "-c", `${code}\nprint(1, flush=True)\nimport time\ntime.sleep(60)`]);
  children.push(child);
  await once(child.stdout, "data");
  return new InitProcess(child.pid ?? 0);
}

/** A kernel that says this of process 7, whose name is made to look like more of it. */
function told(state: string, { flags = 0, threads = 1, started = 5 } = {}): InitProcess {
  const proc = mkdtempSync(join(tmpdir(), "iso-proc-"));
  dirs.push(proc);
  mkdirSync(join(proc, "7"));
  const say = (now: string, at: number) =>
    writeFileSync(
      join(proc, "7", "stat"),
      `7 (a) X 1 1 1 1 1 4 b) ${now} 1 1 1 1 1 ${flags} 0 0 0 0 0 0 0 0 20 0 ${threads} 0 ${at} 0 0\n`,
    );
  say("S", 5);
  const init = new InitProcess(7, proc);
  say(state, started);
  return init;
}

describe("a first process that was killed", () => {
  it("runs no more, which is known before its end", async () => {
    const init = await python("");
    init.kill();
    // Where it takes longer nothing is claimed; what is claimed must be so.
    if (await init.runsNoMore()) expect(await init.endsWithin(10_000)).toBe(true);
    await init.gone();
    expect(init.isAlive()).toBe(false);
  });

  it("is not believed to while it lives, nor with a thread beside it", async () => {
    expect(await (await python("")).runsNoMore()).toBe(false);
    const threads = await python("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()");
    expect(await threads.runsNoMore()).toBe(false);
  });

  it("is told by the kernel's mark alone, of the very process, whatever its name is", async () => {
    expect(await told("R", { flags: 0x40000c }).runsNoMore()).toBe(true);
    expect(await told("R", { flags: 0x400008 }).runsNoMore()).toBe(false);
    expect(await told("R", { flags: 0x40000c, threads: 2 }).runsNoMore()).toBe(false);
    expect(await told("R", { flags: 0x40000c, started: 6 }).runsNoMore()).toBe(false);
    expect(await told("Z", { flags: 0x40000c }).runsNoMore()).toBe(false);
    expect(await new InitProcess(8, "/nowhere").runsNoMore()).toBe(false);
  });
});
