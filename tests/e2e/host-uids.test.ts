// Where the host is root, each sandbox is somebody of its own on it: what the kernel counts for a user is never a neighbour's.
import { spawnSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type RunResult, type Runtime } from "../../src/index.js";
import { removeTree } from "../../src/safefs/remove.js";
import { canReach } from "../../src/sandbox/linux/access.js";
import { realBackends } from "../support/backends.js";
import { CLI, runCli } from "../support/cli.js";
import { suiteDir } from "../support/temp.js";

const OWNER_UID = 10_001;
const INOTIFY_INSTANCES = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));

/** A program's start: the C library, and its call or the error's number. */
const LIBC = `import ctypes, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(function, *arguments):
    result = function(*arguments)
    if result < 0: raise OSError(ctypes.get_errno(), "")
    return result
`;

/** For each count that the kernel keeps by user: how a program uses one, and the errno of one too many. */
const COUNTS = {
  "inotify instances": { one: "call(libc.inotify_init1, 0)", full: "EMFILE" },
  "pending signals": {
    one: "call(libc.sigqueue, os.getpid(), signal.SIGRTMIN, ctypes.c_void_p(1))",
    full: "EAGAIN",
  },
  "descriptors on their way": {
    one: 'pair = socket.socketpair(); keep.append(pair); socket.send_fds(pair[0], [b"x"], [0] * 250)',
    full: "ETOOMANYREFS",
  },
} as const;

const prelude = `${LIBC}signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])\nkeep = []\n`;

/** Takes all there is, says so, and keeps it. */
const hog = (one: string) => `${prelude}import errno
try:
    while True:
        ${one}
except OSError as e:
    print("full", errno.errorcode[e.errno], flush=True)
time.sleep(600)
`;

describe.runIf(process.getuid?.() === 0).each(realBackends())("host uids on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ backend, ...rootsIn("own"), warm: 2 });
  });
  afterAll(async () => {
    await runtime?.close();
  });

  function rootsIn(name: string) {
    return { workspaceRoot: join(roots, name, "workspace"), sandboxRoot: join(roots, name, "sandbox") };
  }

  const uidOf = (result: RunResult) => result.sandbox?.policy.isolation.hostUid;

  /** Runs `code` until it prints, does `act` meanwhile, and cancels it. */
  async function during(code: string, act: (printed: string) => Promise<void>): Promise<RunResult> {
    const cancel = new AbortController();
    const request = { userId: "hog", code, timeoutMs: 60_000, signal: cancel.signal };
    let acted: Promise<void> | null = null;
    for await (const event of runtime.stream(request)) {
      if (event.type === "output" && event.stream === "stdout" && acted === null) {
        acted = act(event.text).finally(() => cancel.abort());
        acted.catch(() => undefined);
      }
      if (event.type === "run.finished") {
        expect(acted, JSON.stringify(event.result.error)).not.toBeNull();
        await acted;
        return event.result;
      }
    }
    throw new Error("the run did not finish");
  }

  it("are different for all that live at once", async () => {
    const users = ["a", "b", "c", "d"];
    const code = "import time\ntime.sleep(2)";
    const results = await Promise.all(users.map((userId) => runtime.run({ userId, code })));
    expect(new Set(results.map(uidOf)).size).toBe(users.length);
    for (const uid of results.map(uidOf)) expect(uid).not.toBe(OWNER_UID);
  });

  it.each(Object.entries(COUNTS))(
    "keep the count of %s from a neighbour who has used it up",
    async (name, { one, full }) => {
      // A count that no program can reach for its limit of open files is in no danger either.
      if (name === "inotify instances" && INOTIFY_INSTANCES > 900) return;
      let neighbour: RunResult | null = null;
      await during(hog(one), async (printed) => {
        expect(printed.trim()).toBe(`full ${full}`);
        neighbour = await runtime.run({
          userId: "neighbour",
          code: `${prelude}${one}\nprint("mine")`,
          timeoutMs: 30_000,
        });
      });
      expect(neighbour).toMatchObject({ status: "succeeded", output: { stdout: { text: "mine\n" } } });
    },
  );

  it("own what the program finds, and leave the workspace to its owner", async () => {
    const live = join(roots, "own/workspace/files/out");
    mkdirSync(join(live, "dir"), { recursive: true });
    writeFileSync(join(live, "dir/by-hand.txt"), "root's own", { mode: 0o600 });
    const code = `import os, pwd, grp
os.chdir(os.environ["OUTPUT_DIR"])
paths = [".", "dir", "dir/by-hand.txt"]
assert {os.stat(p).st_uid for p in paths} == {os.getuid()}, [os.stat(p) for p in paths]
assert {os.stat(p).st_gid for p in paths} == {os.getgid()}
assert os.stat(os.environ["WORKDIR"] + "/main.py").st_uid != os.getuid()
with open("dir/by-hand.txt", "a") as f: f.write(", and more")
os.chmod("dir/by-hand.txt", 0o755)
await local_tools.write_note(text="a note")
notes = [os.path.join(b, n) for b, _, ns in os.walk(".") for n in ns if "by-hand" not in n]
for note in notes:
    with open(note, "a") as f: f.write("!")
try:
    open(os.environ["WORKDIR"] + "/main.py", "w")
except PermissionError:
    print(pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name, len(notes), os.path.expanduser("~"))
`;
    const result = await runtime.run({ userId: "files", code });
    expect(result.error).toBeNull();
    expect(result.output.stdout.text).toBe("sandbox sandbox 1 /tmp\n");
    const changed = [...result.changes.created, ...result.changes.modified].map(({ path }) => path);
    expect(changed).toHaveLength(2);
    const sandboxed = join(roots, "own/sandbox/files/out");
    for (const path of ["", "dir", ...changed]) {
      expect(lstatSync(join(live, path)).uid, path).toBe(OWNER_UID);
      expect(lstatSync(join(sandboxed, path)).uid, path).toBe(uidOf(result));
    }
    expect(readFileSync(join(live, "dir/by-hand.txt"), "utf8")).toBe("root's own, and more");
    const again = await runtime.run({ userId: "files", code: "" });
    expect(again.changes).toMatchObject({ created: [], modified: [], deleted: [], skipped: [] });
    // A launcher's sandboxes are one user: what they find need not change hands.
    if (backend === "zygote") expect(uidOf(again)).toBe(uidOf(result));
    else expect(uidOf(again)).not.toBe(uidOf(result));
    expect(uidOf(await runtime.run({ userId: "somebody-else", code: "" }))).not.toBe(uidOf(again));
  });

  it("are leased across processes and roots, and a run that finds none says so", async () => {
    const first = { docker: 63_100, zygote: 63_200 }[backend] ?? 63_000;
    // Two sandboxes and the squatter; each process may have a launcher at work and one that waits.
    const last = first + (backend === "zygote" ? 6 : 2);
    const ids = Array.from({ length: last - first + 1 }, (_, place) => first + place);
    const env = { ISO_RUNTIME_SANDBOX_UIDS: `${first}-${last}` };
    process.env.ISO_RUNTIME_SANDBOX_UIDS = env.ISO_RUNTIME_SANDBOX_UIDS;
    const other = await createRuntime({ backend, ...rootsIn("other"), warm: 0 });
    delete process.env.ISO_RUNTIME_SANDBOX_UIDS;
    // Anybody of this host may have such a name.
    const squatter = createServer().listen(`\0iso-runtime-uid-${first}`);
    const cli = async () => {
      const args = ["run", "--json", "--backend", backend, "-c", "pass"];
      mkdirSync(join(roots, "cli"), { recursive: true });
      return JSON.parse((await runCli(args, { roots: join(roots, "cli"), env })).stdout) as RunResult;
    };
    const runs: RunResult[] = [];
    try {
      for await (const event of other.stream({ userId: "u", code: 'import time\nprint("up")\ntime.sleep(60)' })) {
        if (event.type !== "output") continue;
        runs.push(await cli());
        const { uid } = lstatSync(join(roots, "other/sandbox/u/out"));
        const taken = [uid, uidOf(runs[0] as RunResult)];
        expect(new Set(taken).size).toBe(2);
        for (const id of taken) expect(ids.slice(1)).toContain(id);
        squatter.close();
        runs.push(await cli());
        expect(ids).toContain(uidOf(runs[1] as RunResult));
        const squatters = ids.map((id) => createServer().listen(`\0iso-runtime-uid-${id}`));
        for (const each of squatters) each.on("error", () => undefined);
        runs.push(await cli());
        for (const each of squatters) each.close();
        break;
      }
      expect(runs.map(({ status }) => status)).toEqual(["succeeded", "succeeded", "failed"]);
      expect(runs[2]?.error).toMatchObject({
        code: "sandbox_unavailable",
        message: expect.stringContaining(`${first}-${last}`),
        hint: expect.stringContaining("ISO_RUNTIME_SANDBOX_UIDS"),
      });
    } finally {
      squatter.close();
      await other.close();
    }
  });
});

const ORDINARY = { uid: 4243, gid: 4243 };
const possible = process.getuid?.() === 0 && [CLI, process.execPath].every((path) => canReach(ORDINARY, path));
if (!possible)
  console.warn("Not tried as an ordinary user: this one is no root, or that one cannot reach the checkout.");

it.runIf(possible)("an ordinary user's sandboxes are that user", () => {
  const home = mkdtempSync(join(tmpdir(), "iso-ordinary-"));
  onTestFinished(() => removeTree(home));
  chownSync(home, ORDINARY.uid, ORDINARY.gid);
  const roots = { ISO_RUNTIME_USER_WORKSPACE_ROOT: join(home, "w"), ISO_RUNTIME_SANDBOX_ROOT: join(home, "s") };
  const code = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/f", "w").close()';
  const args = [CLI, "run", "--json", "--backend", "bubblewrap", "-u", "u", "-c", code];
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, ...roots };
  const ran = spawnSync(process.execPath, args, { ...ORDINARY, cwd: home, env, encoding: "utf8" });
  expect(JSON.parse(ran.stdout)).toMatchObject({
    status: "succeeded",
    sandbox: { policy: { isolation: { hostUid: ORDINARY.uid } } },
  });
  for (const path of ["w/u/out/f", "s/u/out/f"]) expect(lstatSync(join(home, path)).uid).toBe(ORDINARY.uid);
});
