// The library beside other ways to run the same snippets, all in turns in one process: `node bench/peers/main.mjs [ROUNDS]`. What cannot run here is
// said and left out.
import { BACKEND_NAMES } from "../../dist/sandbox/backends.js";
import { Context, ms, Skip } from "../context.mjs";
import { withDocker } from "../docker.mjs";
import { settled, takeTurns } from "../rounds.mjs";
import * as others from "./others.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
/** By what they do; each with its whole output. */
const SNIPPETS = {
  "print(1)": ["print(1)", "1\n"],
  "imports and a sum": ["import csv, datetime, json, re\nprint(sum(range(200_000)))", "19999900000\n"],
  "a file": [
    'import tempfile\nwith tempfile.TemporaryFile() as file:\n    file.write(b"x" * 1_000_000)\n    file.seek(0)\n    print(len(file.read()))',
    "1000000\n",
  ],
};

if (!Number.isInteger(ROUNDS) || ROUNDS < 1) {
  console.error(`ROUNDS: "${process.argv[2]}" is no whole number above 0.`);
  process.exitCode = 2;
} else await withDocker(true, compare);

async function compare(signal) {
  const context = new Context({ backend: null, rounds: ROUNDS, flags: {} });
  const opened = [];
  const runtimes = [];
  try {
    const given = { run: context.run, python: context.python, folder: context.root };
    const all = [others.bare, ...BACKEND_NAMES.map((name) => library(name, context, runtimes)), ...rest()];
    for (const peer of all) {
      signal.throwIfAborted();
      try {
        const ready = await peer.open(given);
        opened.push({ ...peer, ...ready });
        await check(ready, "print(1)");
      } catch (error) {
        if (opened.at(-1)?.name === peer.name) await opened.pop().close();
        const why = error instanceof Skip ? error.message : (error.stderr || error.message).trim().split("\n").at(-1);
        console.log(`LEFT OUT: ${peer.name}: ${why}`);
      }
    }
    for (const snippet of Object.keys(SNIPPETS)) await show(snippet, opened, runtimes, signal);
    console.log("\nWhat is new for each run:");
    for (const { name, what } of opened) console.log(`- ${name}: ${what}`);
  } finally {
    await Promise.allSettled(opened.map((peer) => peer.close()));
    await context.close();
  }
}

function rest() {
  const { bubblewrap, dockerRun, dockerExec, srt, pyodideFresh, pyodideKept, llmSandbox } = others;
  return [bubblewrap, dockerRun, dockerExec, srt, pyodideFresh, pyodideKept, ...llmSandbox];
}

/** The library itself, warm, with workspace and diff. */
function library(backend, context, runtimes) {
  return {
    name: `iso-runtime, ${backend}`,
    what: "a sandbox for each run, with limits, filter, workspace, diff and a report",
    async open() {
      const { request, close, runtime } = await context.runtime({ backend });
      runtimes.push(runtime);
      return { run: async (code) => (await request({ code })).output.stdout.text, close };
    },
  };
}

async function check(peer, snippet) {
  const [code, expected] = SNIPPETS[snippet];
  const found = await peer.run(code);
  if (found.trim() !== expected.trim()) throw new Error(`it gave ${JSON.stringify(found.slice(0, 100))}`);
}

async function show(snippet, opened, runtimes, signal) {
  const sides = opened.map((peer) => ({ name: peer.name, run: () => check(peer, snippet) }));
  const rows = await takeTurns(sides, ROUNDS, () => {
    signal.throwIfAborted();
    return settled(runtimes);
  });
  const mine = rows.filter(({ name }) => name.startsWith("iso-runtime")).toSorted((a, b) => a.p50 - b.p50)[0];
  console.log(`\n${snippet}, ${ROUNDS} rounds\n`);
  console.log(`| | p50 | p95 | x bare | x ${mine?.name ?? "iso-runtime"} |\n| --- | ---: | ---: | ---: | ---: |`);
  for (const { name, p50, p95 } of rows) {
    const ratios = [p50 / rows[0].p50, mine ? p50 / mine.p50 : Number.NaN].map((ratio) => ratio.toFixed(2));
    console.log(`| ${[name, ms(p50), ms(p95), ...ratios].join(" | ")} |`);
  }
}
