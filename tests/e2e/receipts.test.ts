// The journal as an operator meets it: a receipt for each ending, the commands, and the recipes of docs/receipts.md as they stand there.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/records/canonical-json.js";
import { runCli, startCli } from "../support/cli.js";
import { tempDir } from "../support/temp.js";

const PAGE = fileURLToPath(new URL("../../docs/receipts.md", import.meta.url));
const journalOf = (roots: string) => join(roots, "workspace/.iso-runtime/receipts.jsonl");
const linesOf = (roots: string) =>
  readFileSync(journalOf(roots), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const receipts = (roots: string, ...args: string[]) => runCli(["receipts", ...args], { roots });
const run = (roots: string, ...args: string[]) =>
  runCli(["run", "--backend", "bubblewrap", "--json", ...args], { roots });

const FLOOD = "while True: print('x' * 100000)";
const CONFIG = { profiles: { small: { memory: "64MiB", output: 1_000_000 } } };

it("each ending has its receipt, in the order of the runs, and a rejected request has none", {
  timeout: 300_000,
}, async () => {
  const roots = tempDir();
  const config = join(roots, "config.json");
  writeFileSync(config, JSON.stringify(CONFIG));
  const cases: [string, string[]][] = [
    ["succeeded null", ["-c", "print(1)"]],
    ["failed program_error", ["-c", "1/0"]],
    ["failed program_exit", ["-c", "raise SystemExit(3)"]],
    ["failed program_signal", ["-c", "import os; os.kill(os.getpid(), 11)"]],
    ["failed contract_unmet", ["-c", "", "--contract", "a.txt=the file"]],
    ["failed limit_exceeded", ["-c", FLOOD, "--config", config, "--profile", "small"]],
    ["timed_out timeout", ["-c", "while True: pass", "--timeout", "0.5"]],
    ["rejected invalid_user_id", ["-c", "", "-u", ".."]],
    ["rejected requirement_unmet", ["-c", "", "--require", "backend:docker"]],
  ];
  const expected: unknown[] = [];
  for (const [ending, args] of cases) {
    const { stdout } = await run(roots, ...args);
    const { paths: _, ...document } = JSON.parse(stdout);
    const { runId, status, error, exitCode, signal } = document;
    expect(`${status} ${error?.code ?? null}`).toBe(ending);
    const digest = createHash("sha256").update(canonicalJson(document)).digest("hex");
    const receipt = {
      run: { runId },
      ending: { status, code: error?.code ?? null, exitCode, signal },
      document: digest,
    };
    if (status !== "rejected") expected.push({ kind: "began", run: { runId } }, { kind: "ended", ...receipt });
  }
  expect(linesOf(roots)).toMatchObject(expected);
  const verified = await receipts(roots, "verify", "--json");
  expect(verified.status, verified.stdout).toBe(0);
  expect(JSON.parse(verified.stdout)).toMatchObject({ whole: true, lines: expected.length, open: [], underWay: [] });
});

it("so have a cancelled run, and one that got no sandbox", async () => {
  const roots = tempDir();
  const { child, done } = startCli(
    ["run", "-c", "print('ready', flush=True)\nimport time; time.sleep(600)", "--events"],
    { roots },
  );
  // Once: a second signal ends the command line as it stands.
  let asked = false;
  child.stdout?.on("data", (text: string) => {
    if (asked || !text.includes("ready")) return;
    asked = true;
    child.kill("SIGINT");
  });
  expect((await done).status).toBe(130);
  const none = await runCli(["run", "-c", "", "--backend", "docker"], {
    roots,
    env: { DOCKER_HOST: `${roots}/no.sock` },
  });
  expect(none.status, none.stderr).toBe(3);
  expect(linesOf(roots)).toMatchObject([
    { kind: "began" },
    { kind: "ended", began: 1, ending: { status: "cancelled", code: "cancelled" } },
    { kind: "ended", began: null, sandbox: null, ending: { status: "failed", code: "sandbox_unavailable" } },
  ]);
  expect((await receipts(roots, "verify")).status).toBe(0);
});

it("a run under way is told from one whose process was killed", async () => {
  const roots = tempDir();
  const { child, done } = startCli(
    ["run", "-u", "gone", "-c", "print('ready', flush=True)\nimport time; time.sleep(600)", "--events"],
    { roots },
  );
  await new Promise<void>((resolve) => child.stdout?.on("data", (text: string) => text.includes("ready") && resolve()));
  const before = JSON.parse((await receipts(roots, "verify", "--json")).stdout);
  expect(before).toMatchObject({ whole: true, ended: 0, open: [], underWay: [{ seq: 1, userId: "gone" }] });
  child.kill("SIGKILL");
  await done;
  expect((await run(roots, "-c", "print(1)")).status).toBe(0);
  const after = await receipts(roots, "verify");
  expect(after.status).toBe(0);
  expect(after.stdout).toMatch(/has no ending here, as its process died:\n {4}receipt 1: run \S+ of gone/);
});

describe("the commands", () => {
  it("verify finds a cut by the kept head only, and a change without", async () => {
    const roots = tempDir();
    const file = journalOf(roots);
    expect((await receipts(roots, "verify")).status).toBe(1);
    expect((await receipts(roots, "head")).stdout).toBe(`0:${"0".repeat(64)}\n`);
    await run(roots, "-c", "print(1)");
    const first = (await receipts(roots, "head")).stdout;
    await run(roots, "-c", "print(2)");
    const second = (await receipts(roots, "head")).stdout;
    writeFileSync(join(roots, "heads"), first + second);
    const since = ["verify", "--since", join(roots, "heads")];
    expect((await receipts(roots, ...since)).status).toBe(0);

    const whole = readFileSync(file);
    const copy = join(roots, "copy.jsonl");
    writeFileSync(copy, whole);
    truncateSync(file, whole.indexOf("\n", whole.indexOf("\n") + 1) + 1);
    expect((await receipts(roots, "verify")).status).toBe(0);
    for (const args of [since, ["verify", "--head", second.trim()]]) {
      const cut = await receipts(roots, ...args);
      expect([cut.status, cut.stdout]).toEqual([1, expect.stringContaining("receipt 4, the kept head")]);
    }
    expect((await receipts(roots, "verify", copy, "--head", second.trim())).status).toBe(0);
    writeFileSync(copy, whole.toString().replace('"local"', '"lokal"'));
    expect((await receipts(roots, "verify", copy)).stdout).toContain("line 1: it was changed");
  });

  it("keygen, show and the recipes of the page", async () => {
    const roots = tempDir();
    const made = await receipts(roots, "keygen");
    expect(made.status, made.stderr).toBe(0);
    writeFileSync(join(roots, "receipts.pub"), made.stdout);
    const print = String.raw`print("é\u2028\x00\x7f \U0001f600", 0.1)`;
    const { stdout } = await run(roots, "-c", print, "--contract", 'a.txt=é "quoted"');
    const { runId } = JSON.parse(stdout);
    writeFileSync(join(roots, "result.json"), stdout);
    const verified = await receipts(roots, "verify", "--public-key", join(roots, "receipts.pub"));
    expect([verified.status, verified.stdout]).toEqual([0, expect.stringMatching(/2 lines signed by [0-9a-f]{16}\n/)]);
    const shown = JSON.parse((await receipts(roots, "show", runId, "--json")).stdout);
    expect(shown.receipts).toMatchObject([
      { kind: "began", run: { runId } },
      { kind: "ended", run: { runId } },
    ]);
    expect((await receipts(roots, "show", "nobody")).status).toBe(1);
    expect((await receipts(roots, "verify")).stdout, "by the key beside the journal").toMatch(
      /2 lines signed by \w+\n/,
    );
    expect((await receipts(roots, "verify", "--signed-from", "1")).status).toBe(0);

    writeFileSync(join(roots, "receipts.jsonl"), readFileSync(journalOf(roots)));
    const recipes = [...readFileSync(PAGE, "utf8").matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
    expect(recipes).toHaveLength(3);
    const sh = (recipe = "") => execFileSync("sh", ["-ec", recipe], { cwd: roots, encoding: "utf8", stdio: "pipe" });
    expect(sh(recipes[0])).toBe((await receipts(roots, "head")).stdout);
    expect(sh(recipes[1])).toContain("Signature Verified Successfully");

    expect(sh(recipes[2])).toBe(`${shown.receipts[1].document}\n`);

    const lines = readFileSync(join(roots, "receipts.jsonl"), "utf8");
    writeFileSync(join(roots, "receipts.jsonl"), lines.replace('"began":1', '"began":2'));
    expect(() => sh(recipes[0])).toThrow(/line 2 is not whole/);
    expect(() => sh(recipes[1])).toThrow();
  });

  it.each([
    [["verify", "--head", "12"], "--head"],
    [["verify", "--public-key", "absent.pem"], "--public-key"],
    [["verify", "--since", "/dev/null"], "--since"],
    [["verify", "--public-key", PAGE], "--public-key"],
    [["verify", "a", "b"], "too many arguments"],
    [["head", "--head", "1"], "unknown option"],
    [["verify", "--head", "--since"], "--since is a flag"],
    [["show"], "run-id"],
    [["sign"], "verify, head, show, keygen"],
    [["verify", "--signed-from", "0"], "--signed-from"],
    [[], "verify, head, show, keygen"],
  ])("%j is a mistake with a way out", async (args, told) => {
    const roots = tempDir();
    const { status, stdout, stderr } = await receipts(roots, ...args);
    expect([status, stdout, stderr]).toEqual([2, "", expect.stringContaining(told)]);
    expect(existsSync(join(roots, "workspace"))).toBe(false);
    const json = await receipts(roots, ...args, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: "invalid_request" } });
  });
});
