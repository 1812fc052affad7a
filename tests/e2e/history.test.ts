// What a service keeps of its runs: after kill -9, and with no secret in any of it.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { eventsOf, jsonOf, startService, type TestService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const ASYNC = { Prefer: "respond-async" };

async function eventsAt(service: TestService, runId: string, after = 0) {
  const headers = { "Last-Event-ID": String(after) };
  const found: { seq: number; type: string; result?: { status: string } }[] = [];
  for await (const event of eventsOf(await service.ask(`/v1/runs/${runId}/events?user=alice`, { headers })))
    found.push(event);
  return found;
}

describe("the history", () => {
  it("has every run after kill -9: those that had ended as they were, those under way as interrupted", async () => {
    const roots = tempDir();
    const service = await startService({ roots });
    const run = async (code: string, headers = {}) =>
      jsonOf(await service.ask("/v1/runs", { body: { userId: "alice", code }, headers }));
    const ended = [await run("print('first words')"), await run("1 / 0", { "Idempotency-Key": "k" })];
    const before = await eventsAt(service, ended[0].runId);
    const underWay: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      const body = { userId: "alice", workspace: `w${at}`, code: "print('ready', flush=True)\nwhile True: pass" };
      underWay.push((await jsonOf(await service.ask("/v1/runs", { body, headers: ASYNC }))).runId);
    }
    // A run's events follow behind its end.
    await sleep(1000);
    service.child.kill("SIGKILL");
    await service.done;

    const next = await startService({ roots });
    const { runs } = await jsonOf(await next.ask("/v1/runs?user=alice"));
    expect(runs.map(({ runId }: { runId: string }) => runId)).toEqual(
      [...ended.map(({ runId }) => runId), ...underWay].reverse(),
    );
    expect(runs.map(({ code }: { code: string | null }) => code)).toEqual([
      ...Array(3).fill("interrupted"),
      "program_error",
      null,
    ]);
    expect(await jsonOf(await next.ask("/v1/runs?user=alice&text=first%20wor&status=succeeded"))).toMatchObject({
      runs: [{ runId: ended[0].runId }],
      next: null,
    });
    expect(await eventsAt(next, ended[0].runId)).toEqual(before);
    expect(await eventsAt(next, ended[0].runId, 2)).toEqual(before.slice(2));
    for (const runId of underWay) {
      const interrupted = { status: "failed", error: { code: "interrupted" } };
      expect(await jsonOf(await next.ask(`/v1/runs/${runId}?user=alice`))).toMatchObject(interrupted);
      // What it had said by then may be kept, or not yet.
      const last = (await eventsAt(next, runId)).at(-1);
      expect([last?.type, last?.result?.status]).toEqual(["run.finished", "failed"]);
      expect(await jsonOf(await next.ask(`/v1/runs/${runId}/request?user=alice`))).toMatchObject({
        request: { workspace: expect.stringMatching(/^w\d$/) },
      });
    }
    const body = { userId: "alice", code: "1 / 0" };
    const again = await jsonOf(await next.ask("/v1/runs", { body, headers: { "Idempotency-Key": "k" } }));
    expect(again).toEqual(ended[1]);
    const used = await jsonOf(await next.ask("/v1/usage?user=alice"));
    expect(used.total).toMatchObject({ runs: 5, byStatus: { succeeded: 1, failed: 4 } });
    expect(used.total.seconds).toBeGreaterThan(0);
  });
});

describe("two services over the same roots", () => {
  it("list each other's runs, and take a key once", async () => {
    const roots = tempDir();
    const [one, other] = [await startService({ roots }), await startService({ roots })];
    const code = 'import os\nprint("ran")\nopen(os.environ["OUTPUT_DIR"] + "/n", "a").write("x")';
    const headers = { "Idempotency-Key": "once" };
    const post = async (service: TestService) => service.ask("/v1/runs", { body: { userId: "alice", code }, headers });
    const answers = await Promise.all([one, other, one, other].map(post));
    const taken = answers.filter(({ status }) => status === 200);
    // Between the key and the run of the other's there is a moment, in which it is told to ask again.
    for (const { status } of answers) expect([200, 429]).toContain(status);
    const ids = new Set((await Promise.all(taken.map(jsonOf))).map(({ runId }) => runId));
    expect(ids.size).toBe(1);
    const [runId] = ids;
    for (const service of [one, other]) {
      expect((await jsonOf(await post(service))).runId).toBe(runId);
      expect((await jsonOf(await service.ask("/v1/runs?user=alice"))).runs).toMatchObject([
        { runId, status: "succeeded" },
      ]);
      expect((await eventsAt(service, runId)).at(-1)).toMatchObject({ type: "run.finished" });
    }
    expect(readFileSync(join(roots, "workspace/alice/out/n"), "utf8")).toBe("x");
  });
});

const SECRET = "Sesame-4c1f-öffne-dich";
const KEY = `-----BEGIN PRIVATE KEY-----\n${"MIIEvQIBADANBg\n".repeat(20)}-----END PRIVATE KEY-----\n`;
const RETURNED = "returned-by-a-tool-77";
const TOOLS = `
export default ({ defineTool, z }) => [
  defineTool({
    name: "login",
    description: "gives a session",
    params: z.object({ password: z.string(), note: z.string() }),
    handler: ({ password, note }, { log }) => {
      log("called with " + password + " and " + note);
      return { session: { accessToken: "${RETURNED}" }, echo: note, length: password.length };
    },
  }),
  defineTool({
    name: "fail",
    description: "fails",
    params: z.object({ text: z.string() }),
    handler: ({ text }) => { throw new Error("no good: " + text); },
  }),
];
`;
const CODE = `
import hashlib, os, sys, time
key = os.environ["SERVICE_API_KEY"]
print(hashlib.sha256(key.encode()).hexdigest())
for letter in key:
    sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.002)
print(); print("key:", key, file=sys.stderr)
print(os.environ["SIGNING_PRIVATE_KEY"])
print("GITHUB", "ghp_" + "a1B2" * 9, "Bearer " + "abc123" * 5)
import logging
logging.getLogger("user").error("it is %s", key)
open(os.environ["OUTPUT_DIR"] + "/made.txt", "w").write("nothing of it")
session = await t.login(password="pass-phrase-" + "of-mine", note=key)
print(session["session"]["accessToken"] == "${RETURNED.slice(0, 9)}" + "${RETURNED.slice(9)}", session["session"]["accessToken"])
try:
    await t.fail(text=key)
except Exception as error:
    print(error)
raise ValueError("bad " + key)
`;

describe("what is kept", () => {
  it("has no secret in it: not on disk, not in logs, not in any answer; the program has them all", async () => {
    const roots = tempDir();
    const tools = join(roots, "tools");
    mkdirSync(tools);
    writeFileSync(join(tools, "t.mjs"), TOOLS);
    writeFileSync(
      join(tools, "tools-descriptor.mjs"),
      'export default { tools: [{ alias: "t", module: "./t.mjs" }] };',
    );
    const service = await startService({ roots }, "--tools", join(tools, "tools-descriptor.mjs"));
    const env = { SERVICE_API_KEY: SECRET, SIGNING_PRIVATE_KEY: KEY, PLAIN: "kept as it is" };
    const labels = { password: "pass-phrase-of-mine" };
    const started = await service.ask("/v1/runs", {
      body: { userId: "alice", code: CODE, env, labels },
      headers: ASYNC,
    });
    const { runId } = await jsonOf(started);
    const answers: string[] = [];
    const read = async (path: string) => {
      const text = await (await service.ask(path)).text();
      answers.push(text);
      return text;
    };
    const live = await read(`/v1/runs/${runId}/events?user=alice`);
    const result = JSON.parse(await read(`/v1/runs/${runId}?user=alice`));
    expect(result.output.stdout.text).toContain(createHash("sha256").update(SECRET).digest("hex"));
    expect(result.output.stdout.text).toContain("True [redacted]");
    expect(result).toMatchObject({
      error: { code: "program_error", exception: { message: "bad [redacted]" } },
      toolCalls: [
        { params: { password: "[redacted]", note: "[redacted]" }, ret: { echo: "[redacted]", length: 19 }, ok: true },
        { error: { message: "no good: [redacted]" } },
      ],
    });
    expect(result.diagnostics.hasError).toBe(true);
    const asked = JSON.parse(await read(`/v1/runs/${runId}/request?user=alice`));
    expect(asked.request.env).toEqual({
      SERVICE_API_KEY: "[redacted]",
      SIGNING_PRIVATE_KEY: "[redacted]",
      PLAIN: "kept as it is",
    });
    for (const path of ["/v1/runs?user=alice&text=bad", "/v1/usage?user=alice", "/metrics"]) await read(path);
    service.child.kill("SIGTERM");
    const { stdout, stderr } = await service.done;
    const next = await startService({ roots });
    const past = await (await next.ask(`/v1/runs/${runId}/events?user=alice`)).text();
    expect(past).toBe(live);

    const files = ["workspace", "sandbox"].flatMap((root) =>
      readdirSync(join(roots, root), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    );
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["user.log", "infra.log", "history.jsonl", "history.db"]),
    );
    const texts = files.map(({ parentPath, name }) => ({
      name,
      text: readFileSync(join(parentPath, name)).toString(),
    }));
    texts.push(...[...answers, past, stdout, stderr].map((text, at) => ({ name: `answer ${at}`, text })));
    const secrets = [SECRET, "MIIEvQIBADANBg", "pass-phrase-of-mine", RETURNED, "a1B2a1B2", "abc123abc123"];
    for (const { name, text } of texts) {
      // The snippet itself is the caller's text, and lies where it runs.
      if (name === "main.py") continue;
      for (const secret of secrets) expect(text.includes(secret), `${secret} in ${name}`).toBe(false);
    }
  });
});
