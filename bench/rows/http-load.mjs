// Many clients of one service at once: short runs, long runs, readers of events. Whether each accepted run comes to its own result, what a light
// user waits beside a heavy one, and what the service has in memory before and after.
import { setTimeout as sleep } from "node:timers/promises";
import { ms } from "../context.mjs";
import { plain, quantile, ratio } from "../figures.mjs";
import { Service } from "../service.mjs";

const CLIENTS = { short: 160, long: 20, readers: 20 };
const LONG_SECONDS = 2;
const LIGHT = { everyMs: 200, runs: 150 };
/** Runs that the heavy user has on their way at any moment. */
const HEAVY = 40;
const MOST_TRIES = 200;

export default {
  title: `${Object.values(CLIENTS).reduce((sum, count) => sum + count)} clients of the service at once`,
  backends: null,
  size: ["seconds"],
  async measure(context) {
    const service = await Service.start(context, context.folder("service"));
    try {
      const [alone, beside] = await fairness(service);
      const before = await settledMiB(service);
      const { done, wrong, refused } = await load(service, context.flags.seconds * 1000);
      const after = await settledMiB(service);
      const [waitedAlone, waitedBeside] = [alone, beside].map((samples) => quantile(samples, 0.95));
      for (const line of wrong.slice(0, 10)) console.log(line);
      return {
        figures: [
          plain("lost or wrong results", "runs", [wrong.length], { most: 0 }),
          ratio("a light user's p95 beside a heavy one, of alone", beside, alone, { most: 2 }, 0.95, 0.95),
          plain("memory grew", "MiB", [after - before], { most: 32 }),
        ],
        detail: [
          `${done} runs in ${context.flags.seconds} s, ${refused} times refused with 429 and asked for again`,
          `a light user's run, p95: ${ms(waitedAlone)} alone, ${ms(waitedBeside)} beside ${HEAVY} of a heavy one's`,
          `resident ${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after`,
        ],
      };
    } finally {
      await service.close();
    }
  },
};

/** How long a light user's runs took, alone and beside a heavy user, sorted. */
async function fairness(service) {
  const light = async () => {
    const took = [];
    for (let count = -10; count < LIGHT.runs; count += 1) {
      const startedAt = performance.now();
      await checked(service, "light", "print(1)", "1\n");
      if (count >= 0) took.push(performance.now() - startedAt);
      await sleep(LIGHT.everyMs);
    }
    return took.sort((a, b) => a - b);
  };
  const alone = await light();
  let isOver = false;
  // In workspaces of their own: runs of one would wait for each other and not be heavy.
  const heavy = Array.from({ length: HEAVY }, async (_, number) => {
    while (!isOver) await checked(service, "heavy", "print(1)", "1\n", { workspace: `w${number}` });
  });
  const beside = await light();
  isOver = true;
  await Promise.all(heavy);
  return [alone, beside];
}

async function load(service, forMs) {
  const endsAt = performance.now() + forMs;
  const counts = { done: 0, refused: 0 };
  const wrong = [];
  const client = (kind, ask) => async (_, number) => {
    for (let turn = 0; performance.now() < endsAt; turn += 1) {
      const token = `${kind}-${number}-${turn}`;
      try {
        counts.refused += await ask(`user-${kind}-${number}`, token);
        counts.done += 1;
      } catch (error) {
        wrong.push(`${token}: ${error.message}`);
      }
    }
  };
  const kinds = {
    short: (user, token) => checked(service, user, `print("${token}")`, `${token}\n`),
    long: (user, token) =>
      checked(service, user, `import time\ntime.sleep(${LONG_SECONDS})\nprint("${token}")`, `${token}\n`),
    readers: (user, token) => followed(service, user, token),
  };
  await Promise.all(
    Object.entries(kinds).flatMap(([kind, ask]) => Array.from({ length: CLIENTS[kind] }, client(kind, ask))),
  );
  return { ...counts, wrong };
}

/** Runs it, asking again where it is refused for now; throws where the result is not the one it must be. How often it was refused. */
async function checked(service, userId, code, expected, further = {}) {
  const { text, refused } = await accepted(service, { userId, code, ...further }, {}, 200);
  const result = JSON.parse(text);
  const said = result.output?.stdout.text;
  if (!result.ok || result.userId !== userId || said !== expected) {
    throw new Error(`${result.status} ${result.error?.code ?? ""}: ${JSON.stringify(said)}`);
  }
  return refused;
}

/** Follows a run's events, with a cut in the middle: every number once, in order, to the last. */
async function followed(service, userId, token) {
  const lines = 20;
  const code = `import time\nfor n in range(${lines}):\n    print("${token}", n, flush=True)\n    time.sleep(0.01)`;
  const { text, refused } = await accepted(service, { userId, code }, { Prefer: "respond-async" }, 202);
  const path = `/v1/runs/${JSON.parse(text).runId}/events?user=${userId}`;
  let last = 0;
  let said = "";
  let finished = null;
  for (let turn = 0; finished === null && turn < MOST_TRIES; turn += 1) {
    const response = await service.follow(path, last === 0 ? {} : { "Last-Event-ID": String(last) });
    if (response.statusCode === 429) await rest(response);
    if (response.statusCode !== 200) continue;
    let seen = 0;
    for await (const event of eventsOf(response)) {
      if (event.seq !== last + 1) throw new Error(`event ${event.seq} came after ${last}`);
      last = event.seq;
      if (event.type === "output") said += event.text;
      if (event.type === "run.finished") finished = event.result;
      seen += 1;
      // The first reader leaves early, and the next goes on.
      if (turn === 0 && seen === 4) break;
    }
  }
  const expected = Array.from({ length: lines }, (_, line) => `${token} ${line}\n`).join("");
  if (!finished?.ok || said !== expected)
    throw new Error(`${finished?.status}: ${said.length} of ${expected.length} characters`);
  return refused;
}

async function accepted(service, body, headers, status) {
  for (let refused = 0; refused < MOST_TRIES; refused += 1) {
    const answer = await service.ask("/v1/runs", body, headers);
    if (answer.status === status) return { ...answer, refused };
    if (answer.status !== 429) throw new Error(`${answer.status}: ${answer.text.slice(0, 300)}`);
    await rest(answer);
  }
  throw new Error("it was refused for ever");
}

/** As long as the service said, and a bit of one's own, so that not all come back at once. */
async function rest({ headers }) {
  const seconds = Number(headers["retry-after"]);
  if (!(seconds > 0)) throw new Error("a 429 without Retry-After");
  await sleep(seconds * 1000 * (1 + Math.random() / 2));
}

async function* eventsOf(response) {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const data = /^data: (.+)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

async function settledMiB(service) {
  await sleep(3000);
  return service.residentMiB();
}
