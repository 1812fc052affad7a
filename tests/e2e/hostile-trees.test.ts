// Trees that a program leaves to trip the host up, on every real backend: nothing is followed, nothing blocks, each entry is told of
// once, and what comes back into the workspace is regular files, folders and links that stay inside.
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunRequest, type RunResult, type Runtime } from "../../src/index.js";
import { Tree } from "../../src/safefs/tree.js";
import { realBackends } from "../support/backends.js";
import { leftOver } from "../support/processes.js";
import { suiteDir } from "../support/temp.js";

const START = `import os, socket, stat, sys, threading, time
out = os.environ["OUTPUT_DIR"]
def put(path, text="x"):
    with open(os.path.join(out, path), "w") as file: file.write(text)
def tried(act, *args):
    try: act(*args)
    except OSError as error: print(error.errno)
os.chdir(out)
`;
/** Where a path of the host stands in a snippet: a folder that no program and no host may reach through a planted link. */
const CANARY = "@CANARY@";

interface Case {
  name: string;
  /** Runs of the same user, one after another; the last one is judged. */
  snippets: string[];
  contract?: string[];
  /** The last run's status; "succeeded" where nothing else is said. */
  ends?: RunResult["status"];
  check?(result: RunResult, live: string): void;
}

const named = (list: { path: string }[]) => list.map(({ path }) => path).sort();
const reasons = ({ changes }: RunResult) => Object.fromEntries(changes.skipped.map((one) => [one.path, one.reason]));
const statusOf = ({ contract }: RunResult) => contract.map(({ status }) => status);

const CASES: Case[] = [
  {
    name: "links that lead out, in a circle and through one another",
    snippets: [
      `os.symlink("${CANARY}", "a"); os.symlink("../../../..${CANARY}", "b"); os.symlink("a", "c"); os.symlink("d", "d"); os.symlink("/proc/self/root", "e"); put("kept")`,
    ],
    check: (result) => {
      expect(named(result.changes.skipped)).toEqual(["a", "b", "c", "d", "e"]);
      expect(named(result.changes.created)).toEqual(["kept"]);
    },
  },
  {
    name: "a chain of links longer than the kernel follows",
    snippets: ['put("end")\nos.symlink("end", "l0")\nfor n in range(60): os.symlink(f"l{n}", f"l{n + 1}")'],
    check: (result) => expect(result.totals.created + result.totals.skipped).toBe(62),
  },
  {
    name: "links as promised files and as their folders",
    snippets: [`os.symlink("${CANARY}/secret", "a"); os.symlink("${CANARY}", "d")`],
    contract: ["a", "d/secret"],
    ends: "failed",
    check: (result) => expect(statusOf(result)).toEqual(["blocked", "blocked"]),
  },
  {
    name: "a FIFO, a socket and a folder as promised files",
    snippets: ['os.mkfifo("f"); socket.socket(socket.AF_UNIX).bind("s"); os.mkdir("d")'],
    contract: ["f", "s", "d"],
    ends: "failed",
    check: (result) => {
      expect(statusOf(result)).toEqual(["blocked", "blocked", "blocked"]);
      expect(reasons(result)).toEqual({ f: "named pipe", s: "socket" });
    },
  },
  {
    name: "devices, which cannot be made",
    snippets: [
      'tried(os.mknod, "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5)); tried(os.mknod, "disk", 0o666 | stat.S_IFBLK, os.makedev(8, 0))',
    ],
    check: (result) => expect([result.output.stdout.text, result.totals.created]).toEqual(["1\n1\n", 0]),
  },
  {
    name: "one file by a hundred names",
    snippets: ['put("n0", "same" * 1000)\nfor n in range(1, 100): os.link("n0", f"n{n}")'],
    contract: ["n0", "n99"],
    check: (result, live) => {
      expect(result.totals.created).toBe(100);
      expect(new Set(readdirSync(live).map((name) => lstatSync(join(live, name)).ino)).size).toBe(1);
    },
  },
  {
    name: "hard links to the snippet and to the runner",
    snippets: [
      'tried(os.link, os.path.join(os.environ["WORKDIR"], "main.py"), "mine")\nfor path in ("/runner", "/usr/bin/env", "/etc/passwd"):\n    tried(os.link, path, os.path.basename(path))\nput("kept")',
    ],
    check: (result) => {
      expect(named(result.changes.created).filter((path) => path !== "mine")).toEqual(["kept"]);
    },
  },
  {
    name: "files with more holes than a tree may have",
    snippets: ['for n in range(20):\n    with open(f"hole{n}", "w") as file: file.truncate(99 * 2**20)'],
    contract: ["hole19"],
    ends: "failed",
    check: (result) => {
      expect(result.totals.created + result.totals.skipped).toBe(20);
      expect(result.totals.created).toBeLessThan(11);
    },
  },
  {
    name: "a terabyte of nothing, which the limit of a file refuses",
    snippets: ['file = open("t", "w"); tried(file.truncate, 2**40)'],
    check: (result) => expect(result.output.stdout.text).toBe("27\n"),
  },
  {
    name: "names of every kind",
    snippets: [
      'for name in (b"-rf", b"--help", b"...", b"..foo", b".hidden", b"a\\nb", b"\\x1b[31mred", b"\\xff\\xfe", b"\\xc3", b"n" * 255, b" ", b"*", b"~", b"\\\\", b"CON", b"tab\\t"):\n    with open(os.path.join(os.fsencode(out), name), "wb") as file: file.write(name)',
    ],
    check: (result, live) => {
      expect(result.totals).toMatchObject({ created: 16, skipped: 0 });
      using tree = Tree.open(live);
      for (const name of readdirSync(live, { encoding: "buffer" })) expect(tree.readFile(name, 300)).toEqual(name);
      expect(readdirSync(live)).toHaveLength(16);
    },
  },
  {
    name: "twins by case and by normal form",
    snippets: [
      'for name in ("Report.csv", "report.csv", "REPORT.CSV", "\\u00e9.txt", "e\\u0301.txt"): put(name, name)',
    ],
    contract: ["report.csv", "é.txt"],
    check: (result) => expect([result.totals.created, ...statusOf(result)]).toEqual([5, "satisfied", "satisfied"]),
  },
  {
    name: "a promised file by another case only",
    snippets: ['put("Totals.CSV")'],
    contract: ["totals.csv"],
    ends: "failed",
    check: (result) => expect(statusOf(result)).toEqual(["missing"]),
  },
  {
    name: "mode 000 on files, folders and out/ itself",
    snippets: [
      'os.makedirs("d/e"); put("d/e/f"); put("g")\nfor path in ("d/e/f", "d/e", "d", "g", "."): os.chmod(path, 0)',
      'put("later")',
    ],
    contract: ["later"],
    check: (_result, live) => {
      expect(readFileSync(join(live, "d/e/f"), "utf8")).toBe("x");
      expect(lstatSync(join(live, "d/e")).mode & 0o7777).toBe(0o755);
    },
  },
  {
    name: "setuid, setgid and sticky bits",
    snippets: ['put("tool"); os.mkdir("d")\ntried(os.chmod, "tool", 0o6777); tried(os.chmod, "d", 0o7777)'],
    check: (_result, live) => {
      expect(lstatSync(join(live, "tool")).mode & 0o7777).toBe(0o755);
      expect(lstatSync(join(live, "d")).mode & 0o7777).toBe(0o755);
    },
  },
  {
    name: "extended attributes and an ACL",
    snippets: [
      'put("f", "bytes")\ntried(os.setxattr, "f", "user.note", b"x" * 1000)\ntried(os.setxattr, "f", "security.capability", b"\\x01\\0\\0\\2" + bytes(16))\nacl = b"\\2\\0\\0\\0" + b"".join(bytes(entry) for entry in ((1,0,0,0,255,255,255,255),(4,0,0,0,255,255,255,255),(32,0,0,0,255,255,255,255)))\ntried(os.setxattr, "f", "system.posix_acl_access", acl)',
    ],
    contract: ["f"],
    check: (_result, live) => expect(readFileSync(join(live, "f"), "utf8")).toBe("bytes"),
  },
  {
    name: "three thousand folders in one another, and again in the next run",
    snippets: [
      'for _ in range(3000):\n    os.mkdir("d"); os.chdir("d")\nopen("bottom", "w").write("x")',
      'for _ in range(3000): os.chdir("d")\nassert open("bottom").read() == "x"\nopen("bottom", "w").write("y")',
    ],
    check: (result) => expect(result.totals).toMatchObject({ created: 0, modified: 1, deleted: 0, skipped: 0 }),
  },
  {
    name: "paths far longer than PATH_MAX",
    snippets: ['for _ in range(60):\n    os.mkdir("n" * 250); os.chdir("n" * 250)\nopen("f" * 250, "w").write("x")'],
    check: (result) => {
      expect(result.totals.created).toBe(1);
      expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(200_000);
    },
  },
  {
    name: "out/ replaced by a link",
    snippets: [
      'put("kept")',
      `os.chdir("/")\ntried(os.rename, out, out + ".moved")\ntried(os.symlink, "${CANARY}", out)`,
    ],
    check: (_result, live) => expect(readdirSync(live)).toEqual(["kept"]),
  },
  {
    name: "work/ replaced by a link, out/ by a FIFO",
    snippets: [
      'put("kept")',
      `os.chdir("/"); work = os.environ["WORKDIR"]\ntried(os.rename, work, work + ".moved"); tried(os.symlink, "${CANARY}", work)\ntried(os.rename, out, out + ".moved"); tried(os.mkfifo, out)`,
    ],
    check: (_result, live) => expect(readdirSync(live)).toEqual(["kept"]),
  },
  {
    name: "logs/ as a link",
    snippets: [`os.symlink("${CANARY}", "logs"); print("said")`],
    check: (result) => expect(named(result.changes.skipped)).toEqual(["logs"]),
  },
  {
    name: "logs/ as a FIFO",
    snippets: ['os.mkfifo("logs"); print("said")'],
    check: (result) => expect(named(result.changes.skipped)).toEqual(["logs"]),
  },
  {
    name: "logs/ with files, links and folders of the logs' names",
    snippets: [
      `os.makedirs("logs/user.log/deep"); os.symlink("${CANARY}/secret", "logs/infra.log"); put("logs/forged", "ERROR: no"); print("said")`,
    ],
    check: (result) => {
      expect(named(result.changes.skipped)).toEqual(["logs/forged", "logs/infra.log"]);
      expect(result.diagnostics.hasError).toBe(false);
    },
  },
  {
    name: "times before 1970 and long after now",
    snippets: [
      'for name, when in (("old", -2_000_000_000), ("zero", 0), ("far", 16_725_225_600), ("end", 2**62)):\n    put(name); tried(os.utime, name, (when, when)); os.symlink(name, f"to-{name}"); os.mkdir(f"d-{name}"); tried(os.utime, f"d-{name}", (when, when))',
      "",
    ],
    check: (result, live) => {
      expect(result.totals).toMatchObject({ created: 0, modified: 0, deleted: 0 });
      expect(lstatSync(join(live, "old")).mtimeMs).toBe(-2_000_000_000_000);
      expect(lstatSync(join(live, "d-old")).mtimeMs).toBe(-2_000_000_000_000);
    },
  },
  {
    name: "names that the host uses itself",
    snippets: [
      'for name in (".iso-runtime", "new", "ready", "old", "links", "staging", "out", "work", ".part"):\n    os.makedirs(name + "/logs"); put(name + "/logs/f")',
      "",
    ],
    check: (result, live) => {
      expect(result.totals).toMatchObject({ created: 0, modified: 0, deleted: 0, skipped: 0 });
      expect(readdirSync(live)).toHaveLength(9);
    },
  },
  {
    name: "a folder of an earlier run that becomes a link, and is written through",
    snippets: [
      'os.mkdir("data"); put("data/f")',
      `os.rename("data", "moved"); os.symlink("${CANARY}", "data")`,
      'os.makedirs("data", exist_ok=True); put("data/secret", "mine")',
    ],
    check: (_result, live) => expect(readFileSync(join(live, "data/secret"), "utf8")).toBe("mine"),
  },
  {
    name: "a file that children still write when the program ends",
    snippets: [
      'if os.fork() == 0:\n    while True: os.write(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"x" * 9); time.sleep(0.001)\ntime.sleep(0.5)',
    ],
    contract: ["log"],
    check: (result, live) => expect(result.contract[0]?.bytes).toBe(lstatSync(join(live, "log")).size),
  },
  {
    name: "open files without a name",
    snippets: [
      'held = [open(f"gone{n}", "w") for n in range(100)]\nfor n, file in enumerate(held):\n    file.write("x" * 1000); file.flush(); os.unlink(f"gone{n}")\nput("kept")',
    ],
    check: (result) => expect(named(result.changes.created)).toEqual(["kept"]),
  },
  {
    name: "more entries than a run may make",
    snippets: ['os.mkdir("d")\nfor n in range(100_000): os.close(os.open(f"d/{n}", os.O_CREAT | os.O_WRONLY))'],
    ends: "failed",
    check: (result, live) => {
      expect(result.error).toMatchObject({ code: "limit_exceeded", limit: "files" });
      expect([result.workspace.synced, readdirSync(live)]).toEqual([false, []]);
    },
  },
  {
    name: "a folder swapped for a link while a tool of the host writes into it",
    snippets: [
      `def swap():
    while True:
        try:
            os.rename("notes", "real"); os.symlink("${CANARY}", "notes"); os.unlink("notes"); os.rename("real", "notes")
        except OSError:
            try: os.mkdir("notes")
            except OSError: pass
threading.Thread(target=swap, daemon=True).start()
refused = 0
for n in range(60):
    try: await local_tools.write_note(text=str(n))
    except Exception as error: refused += 1
print(refused)`,
    ],
    check: (result) => expect(result.totals.toolCalls).toBe(60),
  },
  {
    name: "deep folders made, moved and removed under the eyes of the disk watch",
    snippets: [
      `deep = "/".join(f"l{n}" for n in range(45))
end = time.monotonic() + 1.5
while time.monotonic() < end:
    os.makedirs(deep, exist_ok=True); os.symlink("${CANARY}", deep + "/link")
    os.rename("l0", "m0"); os.symlink("${CANARY}", "l0"); os.unlink("l0"); os.rename("m0/l1", "l1"); os.rename("m0", "l0")
    os.unlink("/".join(["l1"] + deep.split("/")[2:]) + "/link"); os.removedirs("/".join(["l1"] + deep.split("/")[2:])); os.makedirs(out, exist_ok=True)`,
    ],
    check: (result) => expect(result.totals.skipped).toBe(0),
  },
];

describe.each(realBackends())("hostile trees on %s", (backend) => {
  const roots = suiteDir();
  const canary = join(roots, "canary");
  let runtime: Runtime;
  beforeAll(async () => {
    mkdirSync(canary);
    writeFileSync(join(canary, "secret"), "of the host");
    const limits = { files: 5_000 };
    const config = { profiles: { default: limits, docker: { backend: "docker", ...limits } } };
    runtime = await createRuntime({
      ...{ backend, workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox"), config, warm: 1 },
    });
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });

  it.each(CASES)("$name", async ({ name, snippets, contract, ends, check }) => {
    const userId = name.replaceAll(/[^a-z]+/g, "-").slice(0, 60);
    const live = join(roots, "workspace", userId, "out");
    let result: RunResult | null = null;
    for (const snippet of snippets) {
      const request: RunRequest = { userId, code: START + snippet.replaceAll(CANARY, canary), timeoutMs: 60_000 };
      const isLast = snippet === snippets.at(-1);
      const promised = (contract ?? []).map((path) => ({ path, description: path }));
      result = await runtime.run({ ...request, ...(isLast && promised.length > 0 && { contract: promised }) });
      if (!isLast) expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    }
    if (result === null) throw new Error("a case has a snippet");
    expect(result.status, JSON.stringify([result.error, result.workspace])).toBe(ends ?? "succeeded");
    check?.(result, live);

    const { created, modified, skipped } = result.changes;
    const told = [...created, ...modified, ...skipped].map(({ path, pathBase64 }) => pathBase64 ?? path);
    expect(told.length, "each entry is told of once").toBe(new Set(told).size);
    expect(readdirSync(canary), "nothing was written outside").toEqual(["secret"]);
    expect(readFileSync(join(canary, "secret"), "utf8")).toBe("of the host");
    expect(JSON.stringify(result), "nothing was read outside").not.toContain("of the host");
    await expectPlain(live);
    const logs = join(roots, "sandbox", userId, "out/logs");
    if (lstatSync(logs, { throwIfNoEntry: false })) expect(readdirSync(logs).sort()).toEqual(["infra.log", "user.log"]);
  });

  /** What a workspace may hold, whatever a program left. */
  async function expectPlain(live: string): Promise<void> {
    using tree = Tree.open(live);
    for await (const { kind, mode, path, name } of tree.walk()) {
      expect(["file", "dir", "link"]).toContain(kind);
      if (kind !== "link") expect(mode & 0o7000).toBe(0);
      else if (path === name)
        expect(readlinkSync(Buffer.concat([Buffer.from(`${live}/`), path]))).not.toMatch(/^\/|^\.\./);
    }
  }
});
