// What a request costs beside a call of the library: the same run through `POST /v1/runs`, on a kept connection; then at a tenth of the load it
// can carry, sent by the clock whether or not the one before was answered.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inParallel, ms } from "../context.mjs";
import { difference, quantile, ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";
import { Service, Wire } from "../service.mjs";

const BARE = fileURLToPath(new URL("../bare-server.mjs", import.meta.url));

const CARRIED = { atOnce: 4, runs: 120 };
const OPEN_LOOP = { share: 0.1, runs: 300 };
const SETTLE_MS = 250;

export default {
  title: "warm `POST /v1/runs`, of the library's run",
  rounds: 100,
  backends: null,
  async measure(context) {
    const { request, settled } = await context.runtime({ backend: "auto" });
    const service = await Service.start(context, context.folder("service"));
    const bare = context.spawn(process.execPath, [BARE], { stdio: ["pipe", "pipe", "inherit"] });
    let [wire, bareWire] = [null, null];
    try {
      const [port] = await once(bare.stdout, "data");
      bareWire = await Wire.open("127.0.0.1", Number(port));
      wire = await service.wire();
      const bodyOf = (userId) => ({ userId, ...context.change() });
      const post = async (userId) => resultOf(await service.ask("/v1/runs", bodyOf(userId)));
      await context.ahead(() => wire.post("/v1/runs", bodyOf("bench")));
      const warm = ({ sandbox, workspace }) => sandbox.warm && workspace.synced;
      // What a client makes of its answer is no part of how long that took.
      const sides = [
        { name: "library", run: () => request(context.change()), check: warm },
        { name: "HTTP", run: () => wire.post("/v1/runs", bodyOf("bench")), check: (answer) => warm(resultOf(answer)) },
        { name: "bare", run: () => bareWire.post("/", bodyOf("bench")) },
      ];
      const settle = async () => {
        await settled();
        await sleep(SETTLE_MS);
      };
      const [library, http, nothing] = await takeTurns(sides, context.rounds, settle);
      const carried = await load(post);
      const open = await openLoop(post, carried * OPEN_LOOP.share);
      const [p50, p99] = [0.5, 0.99].map((share) => quantile(open, share));
      return {
        figures: [
          difference("more than the library, p50", "ms", http.samples, library.samples, { most: 1.5 }),
          ratio("p99 of p50 at a tenth of the load it carries", open, open, { most: 4 }, 0.99),
        ],
        detail: [
          `library p50 ${ms(library.p50)}, HTTP p50 ${ms(http.p50)}; a bare node:http server answers the same client in ${ms(nothing.p50)}`,
          `carries ${carried.toFixed(0)} runs/s; at ${(carried * OPEN_LOOP.share).toFixed(1)}/s p50 ${ms(p50)}, p99 ${ms(p99)}`,
        ],
      };
    } finally {
      for (const each of [wire, bareWire]) each?.close();
      bare.stdin.end();
      await service.close();
    }
  },
};

function resultOf({ status, text }) {
  const result = JSON.parse(text);
  if (status !== 200 || !result.ok) throw new Error(`${status}: ${text.slice(0, 300)}`);
  return result;
}

/** Runs a second that it carries. */
async function load(post) {
  const { atOnce, runs } = CARRIED;
  await inParallel(atOnce, atOnce * 4, (worker) => post(`user-${worker}`));
  const startedAt = performance.now();
  await inParallel(atOnce, runs, (worker) => post(`user-${worker}`));
  return runs / ((performance.now() - startedAt) / 1000);
}

/** How long each took from the moment it was due, sorted. */
async function openLoop(post, perSecond) {
  const startedAt = performance.now();
  const answers = [];
  let dueMs = 0;
  for (let count = 0; count < OPEN_LOOP.runs; count += 1) {
    // Arrivals that know nothing of each other.
    dueMs += (-Math.log(1 - Math.random()) * 1000) / perSecond;
    await sleep(startedAt + dueMs - performance.now());
    const due = startedAt + dueMs;
    answers.push(post(`user-${count % CARRIED.atOnce}`).then(() => performance.now() - due));
  }
  return (await Promise.all(answers)).sort((a, b) => a - b);
}
