// What a run leaves in the journal of receipts, and that no trouble with it changes a run's ending.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createRuntime, type RunEvent, type RuntimeOptions } from "../../src/index.js";
import { canonicalJson } from "../../src/records/canonical-json.js";
import { makeSigningKey, readPublicKeys } from "../../src/records/signing-key.js";
import { verifyReceipts } from "../../src/records/verify-receipts.js";
import { FakeRemoteBackend } from "../support/fake-remote.js";
import { tempDir } from "../support/temp.js";

async function bed(options: RuntimeOptions = {}) {
  const roots = tempDir();
  const backend = new FakeRemoteBackend();
  const runtime = await createRuntime({
    ...{ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), warm: 0 },
    ...{ backends: [backend], backend: backend.name },
    ...options,
  });
  onTestFinished(() => runtime.close());
  const file = join(roots, "w/.iso-runtime/receipts.jsonl");
  const lines = () =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  const verify = (publicKey?: string) =>
    verifyReceipts(file, {
      publicKeys: publicKey ? readPublicKeys(publicKey, "") : null,
      signedFrom: null,
      heads: [],
      rootId: null,
    });
  return { runtime, roots, file, lines, verify };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const WRITES = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write("hello")';

it("says what was given, what was had, and what came of it", async () => {
  const { runtime, lines, verify } = await bed();
  const contract = [{ path: "a.txt", description: "the file" }];
  const result = await runtime.run({
    ...{ userId: "Zoë", turnId: "t1", code: WRITES, contract, args: ["x", "y"], stdin: "in" },
    ...{ env: { TOKEN: "hunter2" }, workspace: "scratch", sync: "on-success", durability: "disk" },
  });
  expect(result.error).toBeNull();
  const [began, ended] = lines();
  const run = { runId: result.runId, userId: "Zoë", turnId: "t1", mode: "contract", scenario: null };
  expect(began).toMatchObject({ schema: "iso-runtime/receipt@1", kind: "began", seq: 1, run });
  expect(ended).toMatchObject({
    ...{
      kind: "ended",
      seq: 2,
      began: 1,
      prev: began.hash,
      run,
      inputs: began.inputs,
      document: sha256(canonicalJson({ ...result, paths: undefined })),
    },
    sandbox: { backend: "fake-remote", profile: "default", policy: result.sandbox?.policy },
    artifacts: [{ path: "a.txt", status: "satisfied", bytes: 5, sha256: sha256("hello") }],
    changes: { created: 1, modified: 0, deleted: 0, skipped: 0, sha256: sha256(canonicalJson(result.changes)) },
    toolCalls: { total: 0, sha256: sha256("[]") },
    workspace: { synced: true, version: result.workspace.version, durability: "disk" },
    ending: { status: "succeeded", code: null, limit: null, exitCode: 0, signal: null },
  });
  expect(ended.inputs).toMatchObject({
    ...{
      code: sha256(WRITES),
      args: sha256('["x","y"]'),
      stdin: sha256("in"),
      contract: sha256(canonicalJson(contract)),
    },
    ...{
      tools: sha256(canonicalJson(runtime.tools.table)),
      envNames: ["TOKEN"],
      workspace: "scratch",
      sync: "on-success",
    },
  });
  expect(await verify()).toMatchObject({ whole: true, lines: 2, ended: 1 });
});

it("holds no variable's value, and no hash that tells one from another", async () => {
  const { runtime, lines, file } = await bed({ config: { profiles: { default: { env: { FIXED: "s3cret" } } } } });
  for (const TOKEN of ["0000", "0001"]) await runtime.run({ userId: "a", code: "", env: { TOKEN } });
  const text = readFileSync(file, "utf8");
  for (const secret of ["s3cret", "0001", sha256("0001"), sha256('{"TOKEN":"0001"}')])
    expect(text).not.toContain(secret);
  const [one, , two] = lines();
  expect(one.inputs).toEqual(two.inputs);
  expect(one.inputs.envNames).toEqual(["FIXED", "TOKEN"]);
});

it("leaves nothing of a rejected request, nor of one that repeats a run id", async () => {
  const { runtime, file, lines } = await bed();
  expect((await runtime.run({ userId: "..", code: "" })).status).toBe("rejected");
  expect(existsSync(file)).toBe(false);
  const unmet = await runtime.run({ userId: "a", code: "", require: ["memory:kernel"] });
  expect(unmet).toMatchObject({ status: "rejected", error: { code: "requirement_unmet" } });
  expect(existsSync(file)).toBe(false);
  for (let time = 0; time < 2; time++) await runtime.run({ userId: "a", code: "", runId: "once" });
  expect(lines()).toHaveLength(2);
});

it("has an ending without a beginning where no program began", async () => {
  const { runtime, lines, verify } = await bed();
  const slow = runtime.run({ userId: "a", code: "import time; time.sleep(1)" });
  const waiting = await runtime.run({ userId: "a", code: "", signal: AbortSignal.timeout(100) });
  expect(waiting.status).toBe("cancelled");
  await slow;
  const cancelled = lines().filter(({ run }) => run.runId === waiting.runId);
  expect(cancelled).toMatchObject([
    { kind: "ended", began: null, sandbox: null, ending: { status: "cancelled", code: "cancelled" } },
  ]);
  expect(await verify()).toMatchObject({ whole: true, ended: 2, open: [] });
});

it("tells of a receipt that cannot be written, and leaves the ending as it is", async () => {
  const { runtime, file, lines, verify } = await bed();
  mkdirSync(file, { recursive: true });
  const events: RunEvent[] = [];
  for await (const event of runtime.stream({ userId: "a", code: WRITES })) events.push(event);
  const last = events.at(-1);
  expect(last).toMatchObject({ type: "run.finished", result: { status: "succeeded", workspace: { synced: true } } });
  if (last?.type !== "run.finished") throw new Error("unreachable");
  for (const what of ["beginning", "ending"]) {
    const message = expect.stringMatching(new RegExp(`^The receipt of the run's ${what} was not written: EISDIR`));
    expect(events).toContainEqual(expect.objectContaining({ type: "comm.error", message }));
    expect(last.result.diagnostics.infraLog).toMatch(
      new RegExp(`\\[receipts\\] The receipt of the run's ${what} was not`),
    );
  }
  rmSync(file, { recursive: true });
  expect((await runtime.run({ userId: "a", code: "" })).diagnostics.infraLog).not.toContain("[receipts]");
  expect(lines()).toHaveLength(2);
  expect((await verify()).whole).toBe(true);
});

it("signs with a key that was made meanwhile, and with one that was chosen", async () => {
  const { runtime, roots, verify } = await bed();
  await runtime.run({ userId: "a", code: "" });
  const { publicKey } = makeSigningKey(join(roots, "w/.iso-runtime/keys/receipts.pem"));
  await runtime.run({ userId: "a", code: "" });
  expect(await verify(publicKey)).toMatchObject({ whole: true, signatures: { signed: 2, unsigned: 2 } });

  const key = makeSigningKey(join(tempDir(), "chosen.pem"));
  const chosen = await bed({ config: { receipts: { key: key.file } } });
  await chosen.runtime.run({ userId: "a", code: "" });
  expect(await chosen.verify(key.publicKey)).toMatchObject({
    whole: true,
    signatures: { signed: 2, keys: [key.keyId] },
  });
  expect(await chosen.verify(publicKey)).toMatchObject({ whole: false });
});

it.each([
  ["is not there", null],
  ["is none", "no key"],
])("runs nothing where the chosen key %s", async (_, text) => {
  const key = join(tempDir(), "key.pem");
  if (text !== null) writeFileSync(key, text);
  const { runtime, roots } = await bed({ config: { receipts: { key } } });
  expect(await runtime.run({ userId: "a", code: WRITES })).toMatchObject({
    status: "rejected",
    error: { code: "config_invalid" },
  });
  expect(existsSync(join(roots, "w/a"))).toBe(false);
});
