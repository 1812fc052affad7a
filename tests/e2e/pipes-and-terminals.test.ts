// The command line between other programs: readers that leave, disks that are full, terminals that are none, and words meant for the snippet.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLI, runCli, startCli } from "../support/cli.js";
import { tempDir } from "../support/temp.js";

/** Runs a program on a pseudo-terminal of so many columns and prints what came out of it. */
const ON_A_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

function environment(roots: string): Record<string, string> {
  return {
    ...{ PATH: process.env.PATH ?? "", HOME: roots, TERM: "xterm", DOCKER_HOST: process.env.DOCKER_HOST ?? "" },
    ...{ ISO_RUNTIME_USER_WORKSPACE_ROOT: `${roots}/workspace`, ISO_RUNTIME_SANDBOX_ROOT: `${roots}/sandbox` },
  };
}

/** Output and exit status of another program that starts the command line; killed where it does not end. */
function runProgram(file: string, args: string[], roots: string): Promise<{ status: unknown; stdout: string }> {
  return new Promise((resolve) => {
    const options = { env: environment(roots), timeout: 60_000, killSignal: "SIGKILL" as const };
    const child = execFile(file, args, options, (error, stdout) => resolve({ status: error?.code ?? 0, stdout }));
    child.stdin?.end();
  });
}

const onTerminal = (columns: number, args: string[], roots: string) =>
  runProgram("python3", ["-c", ON_A_TERMINAL, String(columns), process.execPath, CLI, ...args], roots);

describe("words after --", () => {
  const code = "import sys; print(sys.argv[1:])";
  const words = ["--", "a", "--json", "-c", "--"];

  it.each<[string, string[], string?]>([
    ["-c", ["-c", code]],
    ["a file", ["snippet.py"]],
    ["standard input", ["-"], code],
  ])("are the arguments of a snippet from %s", async (_name, source, stdin) => {
    const roots = tempDir();
    writeFileSync(join(roots, "snippet.py"), code);
    const { stdout } = await runCli(["run", "--json", ...source, ...words], { roots, ...(stdin && { stdin }) });
    expect(JSON.parse(stdout).output.stdout.text).toBe("['a', '--json', '-c', '--']\n");
  });
});

describe("stdout", () => {
  it("has the document, and stderr the report for people", async () => {
    const { stdout, stderr } = await runCli(["run", "--json", "-c", "1/0"], { roots: tempDir() });
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "program_error" } });
    expect(stderr).toMatch(/✗ failed/);
    expect(stderr).toMatch(/^time {2}/m);
  });

  it("may lose its reader: the run goes on, keeps its files and tells its status", async () => {
    const roots = tempDir();
    const late = [
      "import os, time",
      'print("ready", flush=True)',
      "time.sleep(1)",
      'print("x" * 100_000, flush=True)',
      'open(os.environ["OUTPUT_DIR"] + "/late.txt", "w").write("late")',
      "raise SystemExit(3)",
    ].join("\n");
    const { child, done } = startCli(["run", "--events", "-c", late], { roots });
    if (!child.stdout) throw new Error("the command line has no stdout");
    for await (const text of child.stdout) if (String(text).includes("ready")) break;
    expect(child.stdout.destroyed).toBe(true);
    const { status, stderr } = await done;
    expect(status, stderr).toBe(1);
    expect(existsSync(join(roots, "workspace/local/out/late.txt"))).toBe(true);
  });

  it.each([[["run", "--json", "-c", ""]], [["run", "-c", ""]], [["scenarios"]], [["doctor"]]])(
    "on a full disk is our fault and a sentence: %j",
    async (args) => {
      const roots = tempDir();
      const said = join(roots, "stderr");
      const shell = ["-c", 'exec "$@" > /dev/full 2> "$0"', said, process.execPath, CLI, ...args];
      const { status } = await runProgram("sh", shell, roots);
      expect(readFileSync(said, "utf8")).toMatch(/stdout cannot be written.*no space/);
      expect(status).toBe(3);
    },
  );
});

describe("roots on a read-only disk", () => {
  it.each<[string[], number, RegExp]>([
    [
      ["run", "-c", "print(1)"],
      2,
      /config_invalid[\s\S]*workspace" cannot be used: no folder can be made there; the file system may be read-only/,
    ],
    [["doctor"], 3, /workspace root: .* the file system of .* is read-only/],
  ])("are told as that: %j", async (args, expected, sentence) => {
    const roots = tempDir();
    const inside = 'mount -t tmpfs -o ro none "$0" && exec "$@" 2>&1';
    const found = await runProgram(
      "unshare",
      ["-rm", "sh", "-c", inside, roots, process.execPath, CLI, ...args],
      roots,
    );
    expect(found.stdout).toMatch(sentence);
    expect(found.status).toBe(expected);
  });
});

describe("standard input", () => {
  it("that nobody ends is given up at the first signal, with a document", async () => {
    const roots = tempDir();
    const child = spawn(process.execPath, [CLI, "run", "-", "--json"], { env: environment(roots) });
    child.stdin.write("print(1)\n");
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    const closed = once(child, "close");
    while (!catchesHangup(child.pid)) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGHUP");
    expect(await closed).toEqual([130, null]);
    expect(JSON.parse(stdout)).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    expect(existsSync(join(roots, "workspace"))).toBe(false);
  });
});

describe("Ctrl-C", () => {
  it("reaches the command line alone: no sandbox, lock or sync is cut off behind its back", async () => {
    const roots = tempDir();
    const code =
      'import os, time\nopen(os.environ["OUTPUT_DIR"] + "/kept.txt", "w").write("1")\nprint("ready")\ntime.sleep(60)';
    const child = spawn(process.execPath, [CLI, "run", "--events", "-c", code], {
      ...{ env: environment(roots), detached: true, stdio: ["ignore", "pipe", "ignore"] },
    });
    const closed = once(child, "close");
    let stdout = "";
    for await (const text of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
      stdout += text;
      if (stdout.includes("ready")) break;
    }
    expect(processGroup(child.pid)).toEqual([child.pid]);
    child.stdout.on("data", (text: string) => {
      stdout += text;
    });
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await closed).toEqual([130, null]);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ result: { status: "cancelled" } });
    expect(existsSync(join(roots, "workspace/local/out/kept.txt"))).toBe(true);
  });
});

/** What a terminal would send its Ctrl-C to. */
function processGroup(leader: number | undefined): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(fields[2]) === leader;
    } catch {
      return false;
    }
  });
}

/** Node itself catches SIGINT and SIGTERM from its start, but SIGHUP only where somebody asked for it. */
function catchesHangup(pid: number | undefined): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n) === 1n;
}

describe("a terminal", () => {
  const partial = 'import time\nprint("first", end="", flush=True)\ntime.sleep(0.5)\nprint(" second")';

  it("without a width is one without a spinner, and ends no run", async () => {
    const { status, stdout } = await onTerminal(0, ["run", "-c", "print(1)"], tempDir());
    expect(status).toBe(0);
    expect(stdout).toContain("succeeded");
  });

  it("keeps an unfinished line of the program's: no spinner is drawn over it", async () => {
    const { status, stdout } = await onTerminal(80, ["run", "-c", partial], tempDir());
    expect(status).toBe(0);
    expect(stdout).toContain("waiting for a sandbox");
    expect(stdout).toContain("first second");
  });

  it("gets colour, but not with NO_COLOR's flag", async () => {
    const colour = /\x1b\[[0-9;]*m/;
    expect((await onTerminal(80, ["run", "-c", ""], tempDir())).stdout).toMatch(colour);
    expect((await onTerminal(80, ["run", "-c", "", "--no-color"], tempDir())).stdout).not.toMatch(colour);
  });
});
