// A backend as a far machine would be one: files go by copy, the runner is reached by its channel alone, the end by a message.
// It isolates nothing and exists to prove that the law of backend.ts needs neither bind mounts nor host pids.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { DEFAULT_LIMITS, type EnforcedLimit, LIMITS, type LimitName } from "../../src/model/limits.js";
import type { Policy } from "../../src/model/result.js";
import type { KernelFacts, Probe, Sandbox, SandboxBackend } from "../../src/sandbox/backend.js";
import type { Profile } from "../../src/sandbox/profile.js";
import { readHello } from "../../src/sandbox/protocol/channel.js";

const RUNNER = fileURLToPath(new URL("../../python/iso_runner", import.meta.url));

export class FakeRemoteBackend implements SandboxBackend {
  readonly name = "fake-remote";
  readonly live = new Set<Sandbox>();
  booted = 0;

  async probe(): Promise<Probe> {
    return { usable: true, checks: [{ name: "remote", status: "ok", message: "always there" }] };
  }

  async boot(profile: Profile): Promise<Sandbox> {
    this.booted += 1;
    const sandbox = await bootRemote(profile, () => this.live.delete(sandbox));
    this.live.add(sandbox);
    return sandbox;
  }

  async reap(): Promise<void> {}

  async close(): Promise<void> {
    await Promise.all([...this.live].map((sandbox) => sandbox.dispose()));
  }
}

async function bootRemote(profile: Profile, onGone: () => void): Promise<Sandbox> {
  const far = mkdtempSync(join(tmpdir(), "iso-far-"));
  const inside = { work: join(far, "work"), out: join(far, "out") };
  for (const dir of Object.values(inside)) mkdirSync(dir);
  const child = spawn("/usr/bin/python3", ["-I", "-X", "utf8", RUNNER], { stdio: ["pipe", "pipe", "pipe"], env: {} });
  const stderr: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text.slice(0, 4096)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const channel = Duplex.from({ readable: child.stdout, writable: child.stdin });
  channel.on("error", () => undefined);
  const hello = await readHello(channel, 20_000);
  let delivered: string | null = null;

  const stop = async (): Promise<KernelFacts> => {
    child.stdin.destroy();
    child.kill("SIGKILL");
    await ended;
    return { oomKills: null, processHits: null, lost: null };
  };
  return {
    id: randomUUID(),
    python: hello.python,
    channel,
    ended,
    inside,
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    async deliver(dir) {
      delivered = dir;
      for (const part of ["work", "out"] as const)
        cpSync(join(dir, part), inside[part], { recursive: true, verbatimSymlinks: true });
    },
    stop,
    async collect() {
      if (delivered === null) return;
      for (const part of ["work", "out"] as const) {
        rmSync(join(delivered, part), { recursive: true, force: true });
        cpSync(inside[part], join(delivered, part), {
          recursive: true,
          verbatimSymlinks: true,
          preserveTimestamps: true,
        });
      }
    },
    async dispose() {
      await stop();
      rmSync(far, { recursive: true, force: true });
      onGone();
    },
    policy: () => policyOf(profile),
    engineLog: () => stderr.join("").split("\n").filter(Boolean),
  };
}

function policyOf(profile: Profile): Policy {
  const row = (name: LimitName): EnforcedLimit => {
    const enforcedBy =
      name === "openFiles" || name === "fileSize"
        ? "rlimit"
        : name === "cpus" || name === "memory" || name === "processes"
          ? "none"
          : "polling";
    return { value: profile.limits[name], unit: LIMITS[name].unit, enforcedBy, hits: null };
  };
  const names = Object.keys(DEFAULT_LIMITS) as LimitName[];
  const limits = Object.fromEntries(names.map((name) => [name, row(name)])) as Policy["limits"];
  return { limits, network: "none", isolation: { namespaces: [], seccomp: false, hostUid: null } };
}
