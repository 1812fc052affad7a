// A real backend in folders of a test's own, and runs of a few lines of Python in it.
import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { DEFAULT_LIMITS, type Limits } from "../../../src/model/limits.js";
import type { BackendContext, KernelFacts, Sandbox } from "../../../src/sandbox/backend.js";
import { BubblewrapBackend } from "../../../src/sandbox/bubblewrap/backend.js";
import { oneUser } from "../../../src/sandbox/host-users.js";
import { DEFAULT_IMAGE, type Profile } from "../../../src/sandbox/profile.js";
import { openChannel, type RunnerChannel } from "../../../src/sandbox/protocol/channel.js";
import type { Exit, Job } from "../../../src/sandbox/protocol/frames.js";
import { tempDir } from "../../support/temp.js";

export const SANDBOX_UID = 47_233;
export const isRoot = process.getuid?.() === 0;
export const SYSTEM_PATH = ["/usr/local/bin", "/usr/bin", "/bin"].join(delimiter);

const PYTHON_DIR = fileURLToPath(new URL("../../../python", import.meta.url));
const ID_BYTES = 8;

export function makeContext(changes: Partial<BackendContext> = {}, root = tempDir()): BackendContext {
  const slotsDir = join(root, "slots");
  mkdirSync(slotsDir, { recursive: true, mode: 0o700 });
  const uid = isRoot ? SANDBOX_UID : (process.getuid?.() ?? 0);
  const gid = isRoot ? SANDBOX_UID : (process.getgid?.() ?? 0);
  const id = () => randomBytes(ID_BYTES).toString("hex");
  return {
    instance: { id: id(), rootId: id() },
    slotsDir,
    users: oneUser({ uid, gid }),
    runnerDir: PYTHON_DIR,
    python: "/usr/bin/python3",
    searchPath: SYSTEM_PATH,
    docker: { host: null, hostPathMap: [] },
    ...changes,
  };
}

export function makeProfile(limits: Partial<Limits> = {}, changes: Partial<Profile> = {}): Profile {
  return {
    name: "test",
    backend: "bubblewrap",
    image: DEFAULT_IMAGE,
    runtime: null,
    python: null,
    network: "none",
    limits: { ...DEFAULT_LIMITS, ...limits },
    cwd: "work",
    env: {},
    packages: [],
    preimports: [],
    require: [],
    ...changes,
  };
}

export function makeBackend(context = makeContext()): BubblewrapBackend {
  const backend = new BubblewrapBackend(context);
  onTestFinished(() => backend.close());
  return backend;
}

/** A folder with `work` and `out` as the workspace hands it over. */
export function makeRunDir(context: BackendContext, name = "run"): string {
  const dir = join(context.slotsDir, "..", name);
  for (const folder of [dir, join(dir, "work"), join(dir, "out")]) {
    mkdirSync(folder, { recursive: true });
    if (isRoot) chownSync(folder, SANDBOX_UID, SANDBOX_UID);
  }
  return dir;
}

export interface Ran {
  stdout: string;
  stderr: string;
  exit: Exit | null;
  closed: Error | null;
  problems: string[];
}

export interface Running {
  readonly channel: RunnerChannel;
  /** Resolves with what was printed so far once it holds `text`. */
  printed(text: string): Promise<string>;
  readonly done: Promise<Ran>;
}

/** Delivers an empty folder and starts `code` in it. */
export async function start(sandbox: Sandbox, dir: string, code: string): Promise<Running> {
  await sandbox.deliver(dir);
  const ran: Ran = { stdout: "", stderr: "", exit: null, closed: null, problems: [] };
  const waiting: { text: string; resolve: (stdout: string) => void }[] = [];
  let finish: (ran: Ran) => void;
  const done = new Promise<Ran>((resolve) => {
    finish = resolve;
  });
  const channel = openChannel(sandbox.channel, {
    begun() {},
    output(stream, bytes) {
      if (stream === "stdout") ran.stdout += bytes.toString();
      else ran.stderr += bytes.toString();
      for (const { text, resolve } of waiting) if (ran.stdout.includes(text)) resolve(ran.stdout);
    },
    programMessage(message) {
      if (message.t === "exception") ran.problems.push(message.traceback);
    },
    badProgramMessage: (reason) => ran.problems.push(reason),
    trace() {},
    problem: ({ stage, message }) => ran.problems.push(`${stage}: ${message}`),
    exit(exit) {
      ran.exit = exit;
      finish(ran);
    },
    closed(error) {
      ran.closed = error;
      finish(ran);
    },
  });
  channel.sendJob(makeJob(sandbox, code));
  const printed = (text: string) =>
    new Promise<string>((resolve) => {
      if (ran.stdout.includes(text)) resolve(ran.stdout);
      else waiting.push({ text, resolve });
    });
  return { channel, printed, done };
}

/** Boots, runs `code` to its end, stops. */
export async function run(
  backend: BubblewrapBackend,
  context: BackendContext,
  code: string,
  profile = makeProfile(),
): Promise<Ran & { sandbox: Sandbox; facts: KernelFacts; dir: string }> {
  const sandbox = await backend.boot(profile);
  const dir = makeRunDir(context, `run-${sandbox.id}`);
  const running = await start(sandbox, dir, code);
  const ran = await running.done;
  const facts = await sandbox.stop();
  await sandbox.collect();
  await sandbox.dispose();
  return { ...ran, sandbox, facts, dir };
}

/** The JSON in the last line of what a program printed; `unknown`, so that a test says what it expects. */
export function printedJson({ stdout, problems, stderr }: Ran): unknown {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`no JSON was printed: ${JSON.stringify({ stdout, stderr, problems })}`, { cause: error });
  }
}

function makeJob(sandbox: Sandbox, code: string): Job {
  const { limits } = sandbox.policy();
  const left = (name: "processes" | "memory") => (limits[name].enforcedBy === "rlimit" ? limits[name].value : null);
  return {
    code,
    runId: "run-1",
    turnId: "turn-1",
    userId: "alice",
    args: [],
    env: {},
    stdin: null,
    ...sandbox.inside,
    cwd: sandbox.inside.work,
    limits: {
      openFiles: limits.openFiles.value,
      fileSize: limits.fileSize.value,
      processes: left("processes"),
      addressSpace: left("memory"),
    },
    tools: [],
  };
}

/** Uid of a process as the host sees it; null where there is none. */
export function hostUidOf(pid: number): number | null {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return null;
  }
}
