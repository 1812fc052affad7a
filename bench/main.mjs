// The guard against regressions: each row of the goals, as a ratio to a baseline of the same run, beside what was accepted for this class of machine.
// It ends with 1 where something is worse beyond noise, a promise is not kept, or a row failed.
import { fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BACKEND_NAMES } from "../dist/sandbox/backends.js";
import { PYTHON } from "./context.mjs";
import { withDocker } from "./docker.mjs";
import {
  complaints,
  describeMachine,
  machineClass,
  readResults,
  report,
  writePages,
  writeResults,
} from "./results.mjs";

const ROWS = readdirSync(new URL("rows/", import.meta.url)).map((name) => name.replace(/\.mjs$/, ""));
const HELP = `npm run bench -- [flags]
  --rows a,b         only these: ${ROWS.join(", ")}
  --backend a,b      only these: ${BACKEND_NAMES.join(", ")}
  --rounds N         turns of each side (default: the row's own)
  --idle-seconds N   the pause of the row idle (default: 600, which takes ten minutes)
  --runs N           of the row host-memory (default: 20000)
  --output-mib N     of the row output (default: 1024)
  --seconds N        how long the row http-load loads the service (default: 60)
  --quick            a pause of 10 s, 1000 runs, 128 MiB, 10 s of load, where nothing else is said
  --write            accept what was measured: store it in bench/results/ and write the pages
  --pages            write the pages from what is stored, and measure nothing`;

const flags = readFlags();
if (flags === null) process.exitCode = 2;
else if (flags.help) console.log(HELP);
else if (flags.pages) writePages();
else process.exitCode = await withDocker(flags.backends.includes("docker"), (signal) => benchmark(flags, signal));

async function benchmark({ rows, backends, write, rounds, ...rest }, signal) {
  const accepted = readResults()[machineClass()] ?? {};
  const machine = describeMachine(PYTHON);
  console.log(
    `${machineClass()}: ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}, ${machine.python}, load ${machine.load}`,
  );
  if (machine.load > 0.5) console.log("The machine is busy: only ratios say something, and of those little.");
  const found = {};
  const wrong = [];
  for (const name of rows) {
    const { default: row } = await import(`./rows/${name}.mjs`);
    for (const backend of row.backends === null ? [null] : (row.backends ?? BACKEND_NAMES)) {
      if (backend !== null && !backends.includes(backend)) continue;
      const key = backend === null ? name : `${name}/${backend}`;
      const answer = await measure({ row: name, backend, rounds, flags: rest }, signal, row.needsGc);
      if (signal.aborted) return 130;
      if (answer.skipped !== undefined) console.log(`\n${key}: left out, ${answer.skipped}`);
      else if (answer.found === undefined) wrong.push(`${key}: failed: ${answer.failed}`);
      else {
        const size = Object.fromEntries((row.size ?? []).map((flag) => [flag, rest[flag]]));
        const about = {
          title: row.title,
          size,
          rounds: rounds ?? row.rounds ?? null,
          machine: describeMachine(PYTHON),
        };
        found[key] = { ...about, ...answer.found };
        console.log(`\n${report(key, found[key], accepted[key])}`);
        wrong.push(...complaints(key, found[key], accepted[key]));
      }
    }
  }
  if (write) {
    writeResults(found);
    writePages();
    console.log(`\naccepted: ${Object.keys(found).join(", ")}`);
  }
  for (const line of wrong) console.log(`\n✗ ${line}`);
  return wrong.length === 0 ? 0 : 1;
}

/** `{ found }`, `{ skipped }` or `{ failed }`. */
function measure(task, signal, needsGc = false) {
  return new Promise((resolve) => {
    const worker = fork(fileURLToPath(new URL("worker.mjs", import.meta.url)), [JSON.stringify(task)], {
      execArgv: needsGc ? ["--expose-gc"] : [],
    });
    const stop = () => worker.kill("SIGTERM");
    signal.addEventListener("abort", stop);
    let answer = null;
    worker.once("message", (message) => {
      answer = message;
    });
    worker.once("exit", (code, killed) => {
      signal.removeEventListener("abort", stop);
      resolve(answer ?? { failed: `the worker ended with ${killed ?? code}` });
    });
  });
}

function readFlags() {
  const text = { type: "string" };
  const yes = { type: "boolean", default: false };
  try {
    const { values } = parseArgs({
      options: {
        ...{ rows: text, backend: text, rounds: text, "idle-seconds": text, runs: text, "output-mib": text },
        ...{ seconds: text },
        ...{ quick: yes, write: yes, pages: yes, help: yes },
      },
    });
    const number = (flag, value) => {
      if (!/^[1-9]\d{0,8}$/.test(value)) throw new Error(`--${flag}: "${value}" is no whole number above 0.`);
      return Number(value);
    };
    const given = (flag, normal, quick) => number(flag, values[flag] ?? String(values.quick ? quick : normal));
    return {
      ...{ help: values.help, pages: values.pages, write: values.write },
      rows: some("rows", values.rows, ROWS),
      backends: some("backend", values.backend, BACKEND_NAMES),
      rounds: values.rounds === undefined ? undefined : number("rounds", values.rounds),
      idleSeconds: given("idle-seconds", 600, 10),
      runs: given("runs", 20_000, 1000),
      outputMib: given("output-mib", 1024, 128),
      seconds: given("seconds", 60, 10),
    };
  } catch (error) {
    console.error(`${error.message}\n${HELP}`);
    return null;
  }
}

function some(flag, text, all) {
  const words = text?.split(",") ?? all;
  const unknown = words.find((word) => !all.includes(word));
  if (unknown !== undefined) throw new Error(`--${flag}: there is no "${unknown}". There are: ${all.join(", ")}.`);
  return words;
}
