// The command line as a user meets it: exit statuses, documents on stdout, signals.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { runCli, startCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { tempDir } from "../support/temp.js";

const README = fileURLToPath(new URL("../../README.md", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../../examples/library/first-run.mjs", import.meta.url));

describe("run", () => {
  it.each<[string, string[], number]>([
    ["success", ["-c", "print(1)"], 0],
    ["a failure of the program", ["-c", "1/0"], 1],
    ["exit code 3 of the program", ["-c", "raise SystemExit(3)"], 1],
    ["an unmet contract", ["-c", "", "--contract", "a.txt=the file"], 1],
    ["a timeout", ["-c", "while True: pass", "--timeout", "0.5"], 124],
    ["a usage error", [], 2],
  ])("exits for %s", async (_name, args, status) => {
    const roots = tempDir();
    const human = await runCli(["run", ...args], { roots });
    expect(human.status, human.stderr).toBe(status);
    // Colour is for terminals.
    expect(human.stdout + human.stderr).not.toContain("\u001b[");
  });

  it("prints exactly one document with --json, and events with --events", async () => {
    const roots = tempDir();
    const json = await runCli(["run", "-c", "print('to nowhere')", "--json"], { roots });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, output: { stdout: { text: "to nowhere\n" } } });
    const events = await runCli(["run", "-", "--events"], { roots, stdin: "print('from stdin')" });
    const lines = events.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map((event) => event.seq)).toEqual(lines.map((_, index) => index + 1));
    expect(lines.filter((event) => event.type === "run.finished")).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ type: "run.finished", result: { ok: true } });
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s cancels: the document is printed, what was written is kept",
    async (signal) => {
      const roots = tempDir();
      const code =
        'import os, time\nopen(os.environ["OUTPUT_DIR"] + "/kept.txt", "w").write("kept")\nprint("ready", flush=True)\ntime.sleep(600)';
      const { child, done } = startCli(["run", "-c", code, "--events"], { roots });
      let seen = "";
      child.stdout?.on("data", (text: string) => {
        const before = seen.includes("ready");
        seen += text;
        if (!before && seen.includes("ready")) child.kill(signal);
      });
      const result = await done;
      expect(result.status, result.stderr).toBe(130);
      const last = JSON.parse(result.stdout.trimEnd().split("\n").at(-1) ?? "");
      expect(last).toMatchObject({
        type: "run.finished",
        result: { status: "cancelled", error: { code: "cancelled" } },
      });
      expect(readFileSync(join(roots, "workspace/local/out/kept.txt"), "utf8")).toBe("kept");
      expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    },
  );

  it("a second signal ends it at once", async () => {
    const roots = tempDir();
    const code =
      "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)";
    const { child, done } = startCli(["run", "-c", code, "--events"], { roots });
    child.stdout?.on("data", (text: string) => {
      if (!text.includes("ready")) return;
      child.kill("SIGINT");
      setTimeout(() => child.kill("SIGINT"), 50);
    });
    expect((await done).status).toBe(130);
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });

  it("neutralises what a program sends to the terminal", async () => {
    const roots = tempDir();
    const { stdout, stderr } = await runCli(["run", "-c", String.raw`print("\x1b]0;owned\x07\x1b[2J\rforged")`], {
      roots,
    });
    expect(stdout + stderr).not.toContain("\u001b");
    expect(stdout + stderr).not.toContain("\u0007");
  });

  it("runs a bundle of the user's own", async () => {
    const roots = tempDir();
    const result = await runCli(["run", "--scenario", "0", "--json"], { roots });
    const { paths, turnId } = JSON.parse(result.stdout);
    expect(existsSync(join(paths.workspace, `out/turn_${turnId}/files/hello-iso-runtime.txt`))).toBe(true);
  });
});

describe("the example of the README", () => {
  it("runs as it stands there", async () => {
    const roots = tempDir();
    const { stdout } = await promisify(execFile)(process.execPath, [EXAMPLE], {
      env: { ...process.env, ISO_RUNTIME_USER_WORKSPACE_ROOT: `${roots}/w`, ISO_RUNTIME_SANDBOX_ROOT: `${roots}/s` },
    });
    expect(stdout).toContain("succeeded satisfied");
    const shown = readFileSync(README, "utf8").match(/contract: \[.*\]/)?.[0] ?? "absent";
    expect(readFileSync(EXAMPLE, "utf8")).toContain(shown);
  });
});

describe("scenarios and doctor", () => {
  it("lists the 14 scenarios", async () => {
    const { stdout, status } = await runCli(["scenarios", "--json"], { roots: tempDir() });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(14);
  });

  it("says what works here", async () => {
    const { stdout, status } = await runCli(["doctor", "--json"], { roots: tempDir() });
    expect(status, stdout).toBe(0);
    expect(stdout).toContain("bubblewrap");
  });
});
