// What one warm run costs: the library on each backend, beside `docker run --rm` of the same image and bare `python3 -I -c`.
// All sides take turns in one process, so that a noisy moment meets all of them; the ratios are what counts.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createRuntime } from "../dist/index.js";
import { settled, takeTurns } from "./rounds.mjs";

const ROUNDS = Number(process.argv[2] ?? 60);
const IMAGE = "iso-runtime/python:3.12";
const PYTHON = "/usr/bin/python3";
const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));

const contract = [{ path: "hello.txt", description: "a greeting" }];
let written = 0;
/** Never the same content twice: a workspace that is as it was is not synced. */
const writes = () => `import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "hello.txt"), "w").write("${written++}")`;

const runtimes = [];

async function librarySides() {
  const sides = [];
  for (const backend of ["bubblewrap", "docker"]) {
    const runtime = await createRuntime({
      backend,
      workspaceRoot: join(roots, backend, "w"),
      sandboxRoot: join(roots, backend, "s"),
    });
    const run = async (request) => {
      const result = await runtime.run({ userId: "bench", ...request });
      if (!result.ok) throw new Error(JSON.stringify(result.error));
      return result;
    };
    try {
      await run({ code: "print(1)" });
    } catch (error) {
      console.log(`${backend}: left out, ${error.message}`);
      await runtime.close();
      continue;
    }
    runtimes.push(runtime);
    sides.push({
      name: `library, ${backend}, \`print(1)\` with diff and report`,
      run: () => run({ code: "print(1)" }),
      check: ({ sandbox }) => sandbox.warm,
      close: () => runtime.close(),
    });
    sides.push({
      name: `library, ${backend}, a changed file with contract and sync`,
      run: () => run({ code: writes(), contract }),
      check: ({ sandbox, changes }) => sandbox.warm && changes.created.length + changes.modified.length === 1,
    });
  }
  return sides;
}

function baselines(withDocker) {
  // Not the synchronous one: the library's own sandboxes go on meanwhile. An old engine loses an exit now and then; that round is left out.
  const spawn = (file, args) => () => promisify(execFile)(file, args, { timeout: 20_000 });
  const bare = { name: `\`${PYTHON} -I -c pass\``, run: spawn(PYTHON, ["-I", "-c", "pass"]) };
  if (!withDocker) return [bare];
  const docker = ["run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-I", "-c", "print(1)"];
  return [bare, { name: "`docker run --rm` of the same image, `print(1)`", run: spawn("docker", docker) }];
}

try {
  const library = await librarySides();
  const sides = [...baselines(library.some((side) => side.name.includes("docker"))), ...library];
  const rows = await takeTurns(sides, ROUNDS, () => settled(runtimes));
  const [bare, docker] = [rows[0], rows.find((row) => row.name.startsWith("`docker run"))];
  console.log(`\n${ROUNDS} rounds; ratios of medians. The table of docs/performance.md:\n`);
  console.log("| p50 ms | p95 ms | x bare | `docker run` takes | what |\n| ---: | ---: | ---: | ---: | --- |");
  for (const row of rows) {
    const slower = docker && row !== docker ? `${(docker.p50 / row.p50).toFixed(1)} x as long` : "";
    const cells = [row.p50.toFixed(1), row.p95.toFixed(1), (row.p50 / bare.p50).toFixed(2), slower, row.name];
    console.log(`| ${cells.join(" | ")} |`.replace("|  |", "| |"));
  }
  for (const side of library) await side.close?.();
} finally {
  rmSync(roots, { recursive: true, force: true });
}
