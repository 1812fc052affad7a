// Every run that started has a receipt that says its ending; the command line verifies them, and a mistake in its flags is named.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/cli.js";
import { suiteDir } from "../support/temp.js";

describe("receipts", () => {
  const roots = suiteDir();
  const cli = (...args: string[]) => runCli(args, { roots });
  const file = join(roots, "workspace/.iso-runtime/receipts.jsonl");
  const receipts = () =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  let head = "";

  it("are written by every ending, and by no rejected request", async () => {
    const none = await cli("receipts", "head");
    expect(none).toMatchObject({ status: 2, stdout: "", stderr: expect.stringContaining("no receipts yet") });
    const succeeded = await cli("run", "--json", "--env", "TOKEN=abc", "-c", "print(1)");
    await cli("run", "-c", "1/0");
    await cli("run", "-c", "while True: pass", "--timeout", "0.5");
    await cli("run", "-c", "", "--contract", "a.txt=a");
    await runCli(["run", "-c", "", "--backend", "docker"], { roots, env: { DOCKER_HOST: "unix:///nowhere" } });
    await cli("run", "-c", "", "--profile", "nope");
    await cli("run", "-c", "", "--turn", "no good");
    expect(receipts().map(({ ending }) => [ending.status, ending.code])).toEqual([
      ["succeeded", null],
      ["failed", "program_error"],
      ["timed_out", "timeout"],
      ["failed", "contract_unmet"],
      ["failed", "sandbox_unavailable"],
    ]);
    const { paths: _, ...document } = JSON.parse(succeeded.stdout);
    const hash = createHash("sha256").update(JSON.stringify(document)).digest("hex");
    expect(receipts()[0]).toMatchObject({
      ...{ seq: 1, document: hash, runId: document.runId, inputs: { envNames: ["TOKEN"] } },
      sandbox: { backend: "bubblewrap", policy: document.sandbox.policy },
    });
    head = (await cli("receipts", "head")).stdout.trim();
    expect(head).toMatch(/^5:[0-9a-f]{64}$/);
  });

  it("are signed from the moment there is a key", async () => {
    const made = await cli("receipts", "keygen");
    expect(made).toMatchObject({ status: 0, stdout: expect.stringContaining("BEGIN PUBLIC KEY") });
    writeFileSync(join(roots, "kept.pem"), made.stdout);
    await cli("run", "-c", "");
    const found = await cli(
      "receipts",
      "verify",
      "--json",
      "--public-key",
      "kept.pem",
      "--signed-from",
      "6",
      "--head",
      head,
    );
    expect(found.status, found.stdout).toBe(0);
    expect(JSON.parse(found.stdout)).toMatchObject({ ok: true, whole: true, receipts: 6, signed: 1, faults: [] });
    expect((await cli("receipts", "keygen")).status).toBe(2);
  });

  it.each([
    [["verify", "--head", "5"], /--head: "5" is no head/],
    [["verify", "--signed-from", "0"], /--signed-from/],
    [["verify", "--public-key", "nope.pem"], /no public ed25519 key/],
    [["verify", "more"], /too many arguments/],
    [["verify", "--heed", "x"], /unknown option '--heed'/],
    [["prove"], /there is no 'prove'. There are: verify, head, keygen/],
    [[], /nothing to do/],
  ])("receipts %j is a mistake that is named", async (args, sentence) => {
    const { status, stdout, stderr } = await cli("receipts", ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(sentence);
    const document = JSON.parse((await cli("receipts", ...args, "--json")).stdout);
    expect(document).toMatchObject({ ok: false, error: { message: expect.stringMatching(sentence) } });
  });

  it("that were meddled with are told, by line", async () => {
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    writeFileSync(file, `${lines.with(1, (lines[1] ?? "").replace("program_error", "none")).join("\n")}\n`);
    const found = await cli("receipts", "verify");
    expect(found).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/not whole[\s\S]*line 3: the receipt before it/),
    });
  });

  it("that cannot be written leave the ending true and say so", async () => {
    writeFileSync(file, "no journal\n");
    const run = await cli("run", "--json", "-c", "print(1)");
    const result = JSON.parse(run.stdout);
    expect(result.status).toBe("succeeded");
    expect(result.diagnostics.infraLog).toMatch(/\[receipts\] this run has no receipt: .*its last line is no receipt/);
  });
});
