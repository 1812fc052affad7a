// The whole process of `iso-runtime run -c 'print(1)'`, beside `node -e 0`.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ms } from "../context.mjs";
import { difference, ratio } from "../figures.mjs";
import { STARTS_ONE } from "../floors.mjs";
import { takeTurns } from "../rounds.mjs";

const START_ONE = "require('node:child_process').spawnSync(process.argv[1], ['-I', '-c', process.argv[2]])";
const FORK_ONE = "import json, os, socket, threading\nif os.fork() == 0: print(1)\nelse: os.wait()";
const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export default {
  title: "command line `run -c 'print(1)'`, whole process, beside `node -e 0`",
  rounds: 30,
  async measure(context) {
    // A first run tells whether the backend works here at all.
    await (await context.runtime({ warm: 0 }, { fresh: true })).close();
    const cwd = context.folder("cli");
    mkdirSync(cwd);
    const env = {
      ...process.env,
      ...{
        ISO_RUNTIME_USER_WORKSPACE_ROOT: `${cwd}/w`,
        ISO_RUNTIME_SANDBOX_ROOT: `${cwd}/s`,
        ISO_RUNTIME_PYTHON: context.python,
      },
    };
    const node =
      (...args) =>
      async () =>
        void (await context.run(process.execPath, args, { cwd, env }));
    const run = [CLI, "run", "--backend", context.backend, "-c", "print(1)"];
    await node(CLI, "daemon", "start")();
    const [bare, least, cli, resident] = await takeTurns(
      [
        { name: "node -e 0", run: node("-e", "0") },
        { name: "least", run: node("-e", START_ONE, context.python, FORK_ONE) },
        { name: "run", run: node(...run, "--no-daemon") },
        { name: "run, resident engine", run: node(...run) },
      ],
      context.rounds,
    ).finally(node(CLI, "daemon", "stop"));
    return {
      figures: [
        difference("p50 more", "ms", cli.samples, bare.samples, { most: 120 }),
        difference("p50 more with a resident engine", "ms", resident.samples, bare.samples, { most: 40 }),
        difference(STARTS_ONE, "ms", least.samples, bare.samples),
        ratio("p50 of `node -e 0`", cli.samples, bare.samples),
      ],
      detail: [
        `node -e 0 p50 ${ms(bare.p50)}, p95 ${ms(bare.p95)}`,
        `run p50 ${ms(cli.p50)}, p95 ${ms(cli.p95)}`,
        `with a resident engine p50 ${ms(resident.p50)}, p95 ${ms(resident.p95)}`,
      ],
    };
  },
};
