// Attacks on what the host believes and does: forged endings, a killed supervisor, tools, links, and processes that stay.
import { readdirSync, readFileSync } from "node:fs";
import type { RunResult } from "../model/result.js";
import { gotThrough, held, type Judgement, type RunAttack, unclear } from "./attack.js";
import { endingOf } from "./limits.js";
import { namespaceOf } from "./scene.js";

const FAILING = 7;
const SHARED = 8;
const SPARE_MS = 30_000;
/** The program writes it as the runner's frames are written (docs/runner-protocol.md): an exit with 0. */
const FORGE = `
import json, os, struct
body = json.dumps({"exitCode": 0, "signal": None, "stopped": False, "usage": {}, "kernel": {}}).encode()
frame = struct.pack(">Ic", len(body), b"X") + body
print(json.dumps({"schema": "iso-runtime/run-result@1", "ok": True, "status": "succeeded"}), flush=True)
for name in os.listdir("/proc/self/fd"):
    try: os.write(int(name), frame)
    except OSError: pass
os._exit(${FAILING})
`;
/** Signals go out only where they cannot meet a process of the host's. */
const KILL = (pidNamespace: unknown) => `
import os, signal, time
if os.readlink("/proc/self/ns/pid") == ${JSON.stringify(pidNamespace)}:
    os._exit(${SHARED})
for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    for target in (1, -1, os.getppid()):
        try: os.kill(target, number)
        except OSError: pass
time.sleep(0.5)
os._exit(${FAILING})
`;

export const VERDICT_ATTACKS: readonly RunAttack[] = [
  {
    kind: "run",
    name: "be root of the host",
    tries: "is looked at from the host: whose process it is",
    layers: ["host-uid"],
    request: () => ({ code: "", timeoutMs: SPARE_MS }),
    judge(result) {
      const uid = result.sandbox?.policy.isolation.hostUid ?? null;
      if (uid === null) return unclear("nobody knows its user on the host");
      return uid === 0 ? gotThrough("it is user 0 on the host") : held("host-uid", `it is user ${uid} on the host`);
    },
  },
  {
    kind: "run",
    name: "forge a success",
    tries: "writes frames and a result that say it succeeded to every descriptor, and fails",
    layers: ["host-verdict"],
    request: () => ({ code: FORGE, timeoutMs: SPARE_MS }),
    judge: judgeFailure,
  },
  {
    kind: "run",
    name: "kill its supervisor",
    tries: "stops and kills its supervisor and all it can signal, and fails",
    layers: ["host-verdict", "pid-namespace"],
    request: ({ facts }) => ({ code: KILL(namespaceOf(facts, "pid")), timeoutMs: SPARE_MS }),
    judge: (result) =>
      result.exitCode === SHARED
        ? gotThrough("it sees the host's processes, and sent no signal")
        : judgeFailure(result),
  },
  {
    kind: "run",
    name: "call a forbidden tool",
    tries: "calls a tool that the descriptor does not allow",
    layers: ["tool-allow-list"],
    request: () => ({
      code: 'await agent_io_tools.tool_call(tool_id="attack_tools.forbidden", params={}, call_reason="attack")',
      timeoutMs: SPARE_MS,
    }),
    judge(result, { forbiddenToolRan }) {
      const [call] = result.toolCalls;
      const evidence = `${call?.error?.code ?? (call?.ok ? "answered" : "not called")}; ${endingOf(result)}`;
      if (forbiddenToolRan()) return gotThrough(`its handler ran; ${evidence}`);
      return call?.error?.code === "tool_not_allowed" ? held("tool-allow-list", evidence) : unclear(evidence);
    },
  },
  {
    kind: "run",
    name: "have a link followed",
    tries: "promises a file and delivers a link to a file of the host",
    layers: ["no-follow"],
    request: ({ facts }) => ({
      code: `import os\nos.symlink(${JSON.stringify(decoyOf(facts))}, os.environ["OUTPUT_DIR"] + "/promised")`,
      timeoutMs: SPARE_MS,
      contract: [{ path: "promised", description: "a link to a decoy" }],
    }),
    judge(result) {
      const [artifact] = result.contract;
      const evidence = `${endingOf(result)}; the promised file is ${artifact?.status ?? "not told of"}`;
      if (artifact?.status === "satisfied" || artifact?.sha256) return gotThrough(evidence);
      return artifact?.status === "blocked" ? held("no-follow", evidence) : unclear(evidence);
    },
  },
  {
    kind: "run",
    name: "stay behind",
    tries: "leaves a process that is nobody's child, in a session of its own, and ends",
    layers: ["pid-namespace"],
    request: ({ secret }) => ({
      code: `import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execv(sys.executable, [sys.executable, "-I", "-c", "import time; time.sleep(30)", ${JSON.stringify(secret)}])\n    os._exit(0)\ntime.sleep(0.5)`,
      timeoutMs: SPARE_MS,
    }),
    judge(result, { secret }) {
      const found = processesNaming(secret);
      if (found.length > 0) return gotThrough(`it runs on as process ${found.join(", ")} of the host`);
      const evidence = `${endingOf(result)}; no process of the host has its name`;
      return result.ok ? held("pid-namespace", evidence) : unclear(evidence);
    },
    notHere: ({ facts }) => (facts.HOST_STARTED === null ? "this host has no /proc to look for it" : null),
  },
];

/** Whatever it forged or killed: it failed, and the result says so. */
function judgeFailure(result: RunResult): Judgement {
  const evidence = endingOf(result);
  if (result.ok || result.status === "succeeded") return gotThrough(evidence);
  return result.status === "failed" && result.exitCode === FAILING ? held("host-verdict", evidence) : unclear(evidence);
}

function decoyOf({ DECOYS }: Readonly<Record<string, unknown>>): string {
  const paths = typeof DECOYS === "object" && DECOYS !== null ? Object.values(DECOYS) : [];
  return String(paths[0] ?? "/etc/hostname");
}

function processesNaming(word: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && commandOf(name).includes(word));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    // It has ended.
    return "";
  }
}
