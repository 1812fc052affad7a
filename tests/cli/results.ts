// Results as runs give them, for the report's golden files. Built from the blank one, so that every key is there.
import { blankResult } from "../../src/harness/result.js";
import { DEFAULT_LIMITS, LIMITS, type LimitName } from "../../src/model/limits.js";
import type { RunResult } from "../../src/model/result.js";

const names = Object.keys(LIMITS) as LimitName[];
const enforced = (name: LimitName) =>
  ["memory", "processes"].includes(name)
    ? "cgroup-v2"
    : name === "cpus"
      ? "none"
      : ["openFiles", "fileSize"].includes(name)
        ? "rlimit"
        : "polling";

export function ran(over: Partial<RunResult>): RunResult {
  return {
    ...blankResult({ runId: "01890000-0000-7000-8000-000000000000", userId: "alice", turnId: "t1" }),
    ...{ ok: true, status: "succeeded", exitCode: 0 },
    timings: {
      queueMs: 0.2,
      bootstrapMs: 1.5,
      acquireMs: 12.4,
      runMs: 103.6,
      judgeMs: 0.6,
      syncMs: 2.1,
      totalMs: 121.3,
    },
    usage: { cpuMs: 40.2, maxRssBytes: 19_509_248, outputBytes: 12, processes: 1 },
    sandbox: {
      ...{
        backend: "bubblewrap",
        profile: "default",
        warm: false,
        python: { path: "/usr/bin/python3", version: "3.11.2" },
      },
      policy: {
        limits: Object.fromEntries(
          names.map((name) => [
            name,
            { value: DEFAULT_LIMITS[name], unit: LIMITS[name].unit, enforcedBy: enforced(name), hits: null },
          ]),
        ) as NonNullable<RunResult["sandbox"]>["policy"]["limits"],
        network: "none",
        isolation: { namespaces: ["user", "mnt", "pid", "net"], seccomp: true, hostUid: 10001 },
      },
    },
    workspace: { synced: true, durability: "process", version: null },
    paths: { workspace: "/data/workspace/alice", sandbox: "/data/sandbox/alice" },
    ...over,
  };
}

const hello = {
  path: "turn_t1/files/hello.txt",
  description: "a greeting",
  bytes: 23,
  mime: "text/plain",
  sha256: "00",
};
const crash = {
  type: "RuntimeError",
  message: "simulated program crash",
  traceback:
    'Traceback (most recent call last):\n  File "/sandbox/work/main.py", line 3, in <module>\n    raise RuntimeError("simulated program crash")\nRuntimeError: simulated program crash\n',
};

export const RESULTS: Record<string, RunResult> = {
  success: ran({
    scenario: "0",
    contract: [{ ...hello, status: "satisfied" }],
    changes: {
      ...{
        created: [{ path: hello.path, bytes: 23 }],
        modified: [{ path: "log.txt", bytes: 2048 }],
        deleted: [{ path: "old.txt" }],
      },
      ...{ skipped: [], leftInWork: [] },
    },
    toolCalls: [
      {
        id: "1",
        toolId: "local_tools.write_note",
        params: {},
        callReason: "Write a note",
        ok: true,
        startedAt: "2026-01-01T00:00:00.000Z",
        durationMs: 3.2,
      },
    ],
    totals: { toolCalls: 1, errorLines: 0, tracebacks: 0, created: 1, modified: 1, deleted: 1, skipped: 0 },
  }),
  crash: ran({
    ...{ ok: false, status: "failed", exitCode: 1 },
    error: {
      code: "program_error",
      message: "The program raised RuntimeError: simulated program crash",
      exception: crash,
    },
    diagnostics: {
      ...{
        tree: ".\n├── out/\n│   └── half.txt (4 B)\n└── work/\n    └── main.py (96 B)\n2 folders, 2 files, 100 B\n",
        infraLog: "",
        hasError: true,
        tracebacks: [crash.traceback],
        errorLines: ["RuntimeError: simulated program crash"],
      },
      userLog: `before\n${crash.traceback}`,
    },
  }),
  timeout: ran({
    ...{ ok: false, status: "timed_out", exitCode: null },
    error: {
      code: "timeout",
      message: "The program did not end within 3 s.",
      hint: "Make the program faster, or raise the timeout.",
    },
  }),
  "unmet-contract": ran({
    ...{ ok: false, status: "failed" },
    error: { code: "contract_unmet", message: "1 of 2 artifacts is not as promised: missing.txt is missing." },
    contract: [
      { ...hello, status: "satisfied" },
      {
        path: "missing.txt",
        description: "not written",
        status: "missing",
        message: "is not there",
        bytes: null,
        mime: null,
        sha256: null,
      },
      {
        path: "data.json",
        description: "data",
        status: "invalid",
        code: "schema_mismatch",
        message: "/n must be number",
        bytes: 9,
        mime: "application/json",
        sha256: "00",
      },
    ],
  }),
  rejected: {
    ...blankResult({ runId: "01890000-0000-7000-8000-000000000000", userId: "..", turnId: "t1" }),
    error: { code: "invalid_user_id", message: 'the user id ".." is refused', hint: "1–128 characters." },
  },
  hostile: ran({
    changes: {
      ...{ created: [{ path: "a\u001b[2J\u202eb\n\u0007.txt", bytes: 1 }], modified: [], deleted: [] },
      skipped: [{ path: "leak\r", reason: "a link that leads out of out/" }],
      leftInWork: [{ path: "lost.txt", bytes: 5 }],
    },
    totals: { toolCalls: 0, errorLines: 0, tracebacks: 0, created: 1, modified: 0, deleted: 0, skipped: 1 },
    workspace: { synced: false, reason: 'the request said sync: "never"', durability: "process", version: null },
  }),
};
