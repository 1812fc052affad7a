// Attacks on limits: each goes a little beyond a small one, so that nothing is hurt where it gets through. Who held it is read from
// the run's own policy and ending.
import { type EnforcedBy, type LimitName, MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import type { Layer } from "../sandbox/layers.js";
import { gotThrough, held, type Judgement, type RunAttack, unclear } from "./attack.js";

/** What a program that was not stopped ends with, after it waited. */
const SURVIVED = 7;
/** The host looks every fifth of a second, and later on a machine that is busy. */
const WAIT_S = 6;
const SPARE_MS = 30_000;

const MEMORY = 64 * MiB;
const BEYOND = 48 * MiB;
const PROCESSES = 16;
const FILES_OPEN = 64;
const FILE_BYTES = MiB;
const DISK_BYTES = 4 * MiB;
const FILES = 200;
const OUTPUT_BYTES = MiB;
const CPUS = 0.05;
const DEADLINE_MS = 1_000;

export const LIMIT_ATTACKS: readonly RunAttack[] = [
  {
    ...limitAttack("memory", "take memory", "takes and fills a little more memory than its limit"),
    layers: ["memory-cgroup", "memory-rlimit"],
    limits: { memory: MEMORY },
    request: () => ({
      code: `blocks = [bytearray(b"x") * ${MiB} for _ in range(${(MEMORY + BEYOND) / MiB})]\nprint("took", len(blocks))`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "memory", "out_of_memory", "MemoryError"),
  },
  {
    ...limitAttack(
      "memory",
      "take shared memory",
      "fills a file in memory, which belongs to no process's address space",
    ),
    layers: ["memory-cgroup"],
    limits: { memory: MEMORY, fileSize: 4 * MEMORY },
    request: () => ({
      code: `import os\nfd = os.memfd_create("hoard")\nfor _ in range(${(MEMORY + BEYOND) / MiB}): os.write(fd, bytes(${MiB}))\nprint("took", os.fstat(fd).st_size)`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "memory", "out_of_memory", "MemoryError"),
  },
  {
    ...limitAttack("processes", "start processes", "forks more often than its limit"),
    layers: ["process-cgroup", "process-rlimit"],
    limits: { processes: PROCESSES },
    request: () => ({
      code: `import os, time\nfor n in range(${2 * PROCESSES}):\n    if os.fork() == 0:\n        time.sleep(20)\n        os._exit(0)\nprint("took", n + 1)`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "processes", "program_error", "BlockingIOError"),
  },
  {
    ...limitAttack("processes", "start threads", "starts more threads than its limit"),
    layers: ["process-cgroup", "process-rlimit"],
    limits: { processes: PROCESSES },
    request: () => ({
      code: `import threading, time\nfor n in range(${2 * PROCESSES}): threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\nprint("took", n + 1)`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "processes", "program_error", "can't start new thread"),
  },
  {
    ...limitAttack("cpus", "take processors", "computes in four processes at once and measures the share it got"),
    layers: ["cpu-cgroup"],
    limits: { cpus: CPUS },
    request: () => ({ code: SPIN, timeoutMs: SPARE_MS }),
    judge: judgeShare,
  },
  {
    ...limitAttack("openFiles", "open files", "opens more descriptors than its limit"),
    layers: ["open-files"],
    limits: { openFiles: FILES_OPEN },
    request: () => ({
      code: `import os\nheld = [os.open("/dev/null", os.O_RDONLY) for _ in range(${2 * FILES_OPEN})]\nprint("took", len(held))`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "openFiles", "program_error", "Too many open files"),
  },
  {
    ...limitAttack("fileSize", "write a large file", "writes a file beyond its limit"),
    layers: ["file-size"],
    limits: { fileSize: FILE_BYTES },
    request: () => ({
      code: `import os\nwith open(os.environ["WORKDIR"] + "/large", "wb", 0) as file:\n    for _ in range(4): file.write(bytes(${FILE_BYTES / 2}))\nprint("took", ${2 * FILE_BYTES})`,
      timeoutMs: SPARE_MS,
    }),
    judge: (result) => judgeRefusal(result, "fileSize", "program_error", "File too large"),
  },
  watched("disk", "disk-watch", "fill the disk", "writes more into out/ than its limit, file by file, and waits", {
    limits: { disk: DISK_BYTES },
    code: `for n in range(${(2 * DISK_BYTES) / MiB}): open(os.environ["OUTPUT_DIR"] + "/%d" % n, "wb").write(b"x" * ${MiB})`,
  }),
  watched("files", "files-watch", "make a million files", "makes more files in out/ than its limit, and waits", {
    limits: { files: FILES },
    code: `for n in range(${2 * FILES}): open(os.environ["OUTPUT_DIR"] + "/%d" % n, "wb").close()`,
  }),
  watched("output", "output-cap", "flood its output", "prints more than its limit, and waits", {
    limits: { output: OUTPUT_BYTES },
    code: `for _ in range(${(4 * OUTPUT_BYTES) / 65_536}): os.write(1, b"x" * 65535 + b"\\n")`,
  }),
  watched("timeout", "deadline", "outlast its deadline", "blocks every signal and computes on", {
    limits: {},
    code: `import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nend = time.monotonic() + ${WAIT_S}\nwhile time.monotonic() < end: pass`,
    timeoutMs: DEADLINE_MS,
  }),
];

const SPIN = `
import os, time
def idle():
    return int(open("/proc/stat").readline().split()[4]) / os.sysconf("SC_CLK_TCK")
begun, idle_before = time.monotonic(), idle()
for _ in range(4):
    if os.fork() == 0:
        end = time.monotonic() + 1.5
        while time.monotonic() < end: pass
        os._exit(0)
used = 0.0
for _ in range(4):
    usage = os.wait3(0)[2]
    used += usage.ru_utime + usage.ru_stime
took = time.monotonic() - begun
print("share", used / took, "idle", max(0.0, idle() - idle_before) / took)
`;

function limitAttack(
  limit: LimitName,
  name: string,
  tries: string,
): Pick<RunAttack, "kind" | "limit" | "name" | "tries"> {
  return { kind: "run", limit, name, tries };
}

interface Watched {
  readonly limits: RunAttack["limits"] & object;
  readonly code: string;
  readonly timeoutMs?: number;
}

/** The host ends the program; one that still lives a while later says so by how it ends. */
function watched(
  limit: LimitName,
  layer: Layer,
  name: string,
  tries: string,
  { limits, code, timeoutMs }: Watched,
): RunAttack {
  const wait = timeoutMs === undefined ? `time.sleep(${WAIT_S})\n` : "";
  return {
    ...limitAttack(limit, name, tries),
    layers: [layer],
    limits,
    request: () => ({
      code: `import os, time\n${code}\n${wait}os._exit(${SURVIVED})`,
      timeoutMs: timeoutMs ?? SPARE_MS,
    }),
    judge: (result) => judgeStop(result, limit, layer),
  };
}

function judgeStop(result: RunResult, limit: LimitName, layer: Layer): Judgement {
  const evidence = `${endingOf(result)}; ${rowOf(result, limit)}`;
  if (result.exitCode === SURVIVED) return gotThrough(`it went on for ${WAIT_S} s; ${evidence}`);
  const ended = limit === "timeout" ? result.status === "timed_out" : result.error?.code === "limit_exceeded";
  return ended && (limit === "timeout" || result.error?.limit === limit) ? held(layer, evidence) : unclear(evidence);
}

/** The program was refused, or killed for it; one that got all it asked for printed so. */
function judgeRefusal(result: RunResult, limit: LimitName, code: string, word: string): Judgement {
  const evidence = `${endingOf(result)}; ${rowOf(result, limit)}`;
  if (/^took \d+/m.test(result.output.stdout.text)) return gotThrough(evidence);
  const refused = result.error?.exception;
  const named = refused !== undefined && `${refused.type} ${refused.message}`.includes(word);
  if (result.error?.code !== code && !named) return unclear(evidence);
  return held(holderOf(limit, result.sandbox?.policy.limits[limit].enforcedBy ?? "none"), evidence);
}

function judgeShare(result: RunResult): Judgement {
  const [, share, idle] = /^share ([\d.]+) idle ([\d.]+)/m.exec(result.output.stdout.text) ?? [];
  if (share === undefined || idle === undefined) return unclear(`${endingOf(result)}; ${rowOf(result, "cpus")}`);
  const evidence = `a share of ${Number(share).toFixed(2)} of ${CPUS}; ${rowOf(result, "cpus")}`;
  // What is used within one period of the kernel's counting, and before it counts, is more than the average.
  if (Number(share) > 2 * CPUS || result.sandbox?.policy.limits.cpus.enforcedBy === "none") return gotThrough(evidence);
  if (Number(idle) > 2 * CPUS) return held("cpu-cgroup", evidence);
  // A program that got little because others took all was held by nobody.
  const reason = "the host's processors are too busy to tell; run it again at a quieter moment";
  return { outcome: "not_applicable", heldBy: null, evidence: reason };
}

function holderOf(limit: LimitName, by: EnforcedBy): Layer | null {
  const inKernel = by.startsWith("cgroup");
  if (limit === "memory") return inKernel ? "memory-cgroup" : by === "rlimit" ? "memory-rlimit" : null;
  if (limit === "processes") return inKernel ? "process-cgroup" : by === "rlimit" ? "process-rlimit" : null;
  if (limit === "openFiles") return "open-files";
  return limit === "fileSize" ? "file-size" : null;
}

export function endingOf({ status, error, exitCode }: RunResult): string {
  if (error === null) return status;
  const { code, exception } = error;
  const what = exception ? ` ${exception.type}` : exitCode === null ? "" : ` ${exitCode}`;
  return `${status}: ${code}${what}`;
}

function rowOf({ sandbox }: RunResult, limit: LimitName): string {
  const row = sandbox?.policy.limits[limit];
  if (row === undefined) return "no policy";
  const hits = row.hits === null ? "" : `, ${row.hits} ${row.hits === 1 ? "hit" : "hits"}`;
  return `${limit} ${row.value} ${row.unit} by ${row.enforcedBy}${hits}`;
}
