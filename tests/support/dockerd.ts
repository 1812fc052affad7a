// A real Docker engine for the tests, private to them: own socket, own data, no network, no trace when it is stopped.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { buildImage } from "../../src/sandbox/docker/image.js";
import { DEFAULT_IMAGE } from "../../src/sandbox/profile.js";
import { testCache } from "./cache.js";

const DOCKERFILE = fileURLToPath(new URL("../../docker/Dockerfile", import.meta.url));
const BASE = "iso-runtime/test-base:bookworm";
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const REMOVE_ATTEMPTS = 40;

export interface PrivateDocker {
  /** As DOCKER_HOST wants it. */
  host: string;
  /** Of the engine itself. */
  readonly pid: number;
  /** Starts the engine again, over what it kept, once it has been killed. */
  again(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the engine and puts the sandbox image into it. Throws where this machine cannot: that fails the tests, and does not skip them. */
export async function start(): Promise<PrivateDocker> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      "A private dockerd needs root. Way out: sudo npm test, or ISO_RUNTIME_TEST_NO_DOCKER=1 npm test to leave Docker out.",
    );
  }
  const state = mkdtempSync(join(tmpdir(), "iso-dockerd-"));
  const cgroup = `/iso-test-${process.pid}`;
  let daemon = startDaemon(state, cgroup);
  const stop = () => stopDaemon(daemon, state, cgroup);
  try {
    const docker = new Docker({ socketPath: join(state, "docker.sock") });
    await untilReady(docker, daemon, state);
    await provideImage(docker);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: `unix://${join(state, "docker.sock")}`,
    get pid() {
      return daemon.pid ?? 0;
    },
    async again() {
      if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, "exit");
      // Its containerd died with it. Where nobody has waited for that one yet, the engine would take it for alive.
      rmSync(join(state, "exec/containerd/containerd.pid"), { force: true });
      daemon = startDaemon(state, cgroup);
      await untilReady(new Docker({ socketPath: join(state, "docker.sock") }), daemon, state);
    },
    stop,
  };
}

function startDaemon(state: string, cgroup: string): ChildProcess {
  // Without a config file of its own it would read the machine's. The second runtime is the first by another name.
  writeFileSync(join(state, "daemon.json"), JSON.stringify({ runtimes: { other: { path: "runc" } } }));
  const at = (name: string) => join(state, name);
  const args = [
    ...[
      "--config-file",
      at("daemon.json"),
      "--data-root",
      at("data"),
      "--exec-root",
      at("exec"),
      "--pidfile",
      at("pid"),
    ],
    ...["-H", `unix://${at("docker.sock")}`, "--cgroup-parent", cgroup],
    ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
    // With systemd's driver, the default beside it, a parent group must be one of its slices.
    ...["--exec-opt", "native.cgroupdriver=cgroupfs"],
  ];
  // A session of its own: Ctrl-C for the tests must not reach it before they have cleaned up. Tests that are killed take it along.
  const command = ["--pdeathsig", "TERM", "dockerd", ...args];
  const log = openSync(at("dockerd.log"), "a");
  const daemon = spawn("setpriv", command, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  daemon.on("error", () => undefined);
  return daemon;
}

async function untilReady(docker: Docker, daemon: ChildProcess, state: string): Promise<void> {
  const until = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await docker.ping();
      return;
    } catch (error) {
      const ended = daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null;
      if (!ended && Date.now() < until) {
        await pause(100);
        continue;
      }
      const log = existsSync(join(state, "dockerd.log"))
        ? readFileSync(join(state, "dockerd.log"), "utf8").slice(-3000)
        : "";
      throw new Error(`dockerd did not start. Is docker.io installed?\n${log}`, { cause: error });
    }
  }
}

/** From the cache where the same Dockerfile was built before, else built on a base that debootstrap makes once. */
async function provideImage(docker: Docker): Promise<void> {
  const cache = testCache();
  const key = createHash("sha256").update(readFileSync(DOCKERFILE)).digest("hex").slice(0, 16);
  const saved = join(cache, `image-${key}.tar`);
  if (existsSync(saved)) {
    await followed(docker, await docker.loadImage(createReadStream(saved)));
    return;
  }
  const base = makeBase(cache);
  const [repo, tag] = BASE.split(":");
  await followed(docker, await docker.importImage(createReadStream(base), { repo, tag }));
  const lines: string[] = [];
  await buildImage(docker, { image: DEFAULT_IMAGE, base: BASE, onLine: (line) => lines.push(line) }).catch((error) => {
    throw new Error(`${error}\n${lines.join("\n").slice(-3000)}`, { cause: error });
  });
  const whole = `${saved}.${process.pid}`;
  try {
    await pipeline(await docker.getImage(DEFAULT_IMAGE).get(), createWriteStream(whole));
    renameSync(whole, saved);
  } finally {
    rmSync(whole, { force: true });
  }
}

function makeBase(cache: string): string {
  const base = join(cache, "base-bookworm.tar");
  if (existsSync(base)) return base;
  const root = mkdtempSync(join(cache, "root-"));
  try {
    console.warn("making a base image with debootstrap, once (half a minute)");
    execFileSync("debootstrap", ["--variant=minbase", "--include=ca-certificates", "bookworm", root], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    for (const dir of ["var/cache/apt/archives", "var/lib/apt/lists"])
      rmSync(join(root, dir), { recursive: true, force: true });
    mkdirSync(join(root, "var/cache/apt/archives/partial"), { recursive: true });
    mkdirSync(join(root, "var/lib/apt/lists/partial"), { recursive: true });
    const whole = `${base}.${process.pid}`;
    execFileSync("tar", [
      "-C",
      root,
      "--numeric-owner",
      "--exclude=./dev/*",
      "--exclude=./proc/*",
      "--exclude=./sys/*",
      "-cf",
      whole,
      ".",
    ]);
    renameSync(whole, base);
    return base;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Waits for the end of an operation that tells its progress, and throws what it says went wrong. */
function followed(docker: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(progress, (error: Error | null, events: { error?: string; stream?: string }[]) => {
      const failed = error?.message ?? events?.find((event) => event.error)?.error;
      if (failed)
        reject(
          new Error(
            `${failed}\n${events
              ?.map((event) => event.stream ?? "")
              .join("")
              .slice(-3000)}`,
          ),
        );
      else resolve();
    });
  });
}

async function stopDaemon(daemon: ChildProcess, state: string, cgroup: string): Promise<void> {
  const docker = new Docker({ socketPath: join(state, "docker.sock") });
  const left = await docker.listContainers({ all: true }).catch(() => []);
  await Promise.allSettled(left.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
  if (daemon.pid !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    const impatient = setTimeout(() => daemon.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(impatient);
  }
  await endHelpers(state);
  for (const mount of mountsBelow(state)) execFileSync("umount", ["-l", mount], { stdio: "ignore" });
  const hierarchies = readdirSync("/sys/fs/cgroup", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const hierarchy of hierarchies) await removeGroup(join("/sys/fs/cgroup", hierarchy.name, cgroup));
  await removeGroup(join("/sys/fs/cgroup", cgroup));
  rmSync(state, { recursive: true, force: true });
}

/** What a daemon that had to be killed leaves: its containerd and shims, known by the state folder they were started with. */
async function endHelpers(state: string): Promise<void> {
  const until = Date.now() + STOP_TIMEOUT_MS;
  for (let left = helpersOf(state); left.length > 0; left = helpersOf(state)) {
    if (Date.now() > until) throw new Error(`processes of the private dockerd cannot be ended: ${left.join(", ")}`);
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await pause(100);
  }
}

function helpersOf(state: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // Empty for a zombie, which is dead.
        const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return basename(program).startsWith("containerd") && args.some((arg) => arg.startsWith(`${state}/`));
      } catch {
        return false;
      }
    })
    .map(Number);
}

function mountsBelow(state: string): string[] {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  return mounts.filter((mount) => mount.startsWith(`${state}/`)).reverse();
}

/** A control group's files cannot be removed, only the folders, the deepest first; busy while its last process is being reaped. */
async function removeGroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  for (let attempt = 1; ; attempt += 1) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if (!existsSync(folder)) return;
      if (attempt >= REMOVE_ATTEMPTS) throw error;
      await pause(50);
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
