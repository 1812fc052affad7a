// What the command line costs as a whole process: `iso-runtime run -c 'print(1)'` by itself and with a resident engine, beside `node -e 0`
// and `--version`. All sides take turns.
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { takeTurns } from "./rounds.mjs";

const ROUNDS = Number(process.argv[2] ?? 30);
const CLI = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const RUN = [CLI, "run", "-c", "print(1)"];
/** Milliseconds above `node -e 0` that a run may take. */
const GOALS = { own: 120, resident: 40 };

const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));
const env = {
  ...process.env,
  ISO_RUNTIME_USER_WORKSPACE_ROOT: join(roots, "w"),
  ISO_RUNTIME_SANDBOX_ROOT: join(roots, "s"),
  ISO_RUNTIME_PYTHON: process.env.ISO_RUNTIME_PYTHON ?? "/usr/bin/python3",
};
const side = (name, args, goal = "") => ({
  ...{ name, goal },
  run: () => promisify(execFile)(process.execPath, args, { env, cwd: roots }),
});
const sides = [
  side("`node -e 0`", ["-e", "0"]),
  side("`--version`", [CLI, "--version"]),
  side("`run -c 'print(1)'` by itself", [...RUN, "--no-daemon"], GOALS.own),
  side("the same on bubblewrap", [...RUN, "--no-daemon", "--backend", "bubblewrap"], GOALS.own),
  side("the same with a resident engine", RUN, GOALS.resident),
];

try {
  execFileSync(process.execPath, [CLI, "daemon", "start"], { env, cwd: roots });
  const found = await takeTurns(sides, ROUNDS, async () => undefined);
  const [bare] = found;
  console.log("| p50 ms | p95 ms | p50 above `node -e 0` | goal | what |\n| ---: | ---: | ---: | ---: | --- |");
  for (const [index, { name, p50, p95 }] of found.entries()) {
    const figures = [p50, p95, p50 - bare.p50].map((ms) => ms.toFixed(0));
    console.log(`| ${figures.join(" | ")} | ${sides[index].goal} | ${name} |`);
  }
} finally {
  execFileSync(process.execPath, [CLI, "daemon", "stop"], { env, cwd: roots });
  rmSync(roots, { recursive: true, force: true });
}
