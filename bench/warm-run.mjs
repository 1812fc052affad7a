// What one warm run costs: the library on each backend, beside `docker run --rm` of the same image and bare `python3 -I -c`.
// All sides take turns in one process, so that a noisy moment meets all of them; the ratios are what counts.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createRuntime } from "../dist/index.js";

const ROUNDS = Number(process.argv[2] ?? 60);
const IMAGE = "iso-runtime/python:3.12";
const PYTHON = "/usr/bin/python3";
const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));

const contract = [{ path: "hello.txt", description: "a greeting" }];
const writes = 'import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "hello.txt"), "w").write("hi")';

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
      return result.sandbox.warm;
    };
    try {
      await run({ code: "print(1)" });
    } catch (error) {
      console.log(`${backend}: left out, ${error.message}`);
      await runtime.close();
      continue;
    }
    const ready = () => runtime.warm();
    sides.push({
      name: `library, ${backend}, print(1)`,
      ready,
      run: () => run({ code: "print(1)" }),
      close: () => runtime.close(),
    });
    sides.push({
      name: `library, ${backend}, contract and sync of a new file`,
      ready,
      run: () => run({ code: writes, contract }),
    });
  }
  return sides;
}

function baselines(withDocker) {
  // Not the synchronous one: the library's own sandboxes go on meanwhile. An old engine loses an exit now and then; that round is left out.
  const spawn = (file, args) => () => promisify(execFile)(file, args, { timeout: 20_000 });
  const bare = { name: `${PYTHON} -I -c pass`, run: spawn(PYTHON, ["-I", "-c", "pass"]) };
  if (!withDocker) return [bare];
  const docker = ["run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-I", "-c", "print(1)"];
  return [bare, { name: "docker run --rm, print(1)", run: spawn("docker", docker) }];
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

try {
  const library = await librarySides();
  const sides = [...baselines(library.some((side) => side.name.includes("docker"))), ...library];
  const times = new Map(sides.map((side) => [side, []]));
  for (let round = -2; round < ROUNDS; round += 1) {
    for (const side of sides) {
      await side.ready?.();
      const startedAt = performance.now();
      try {
        await side.run();
      } catch (error) {
        console.log(`${side.name}: a round is left out, ${error.message.split("\n")[0]}`);
        continue;
      }
      if (round >= 0) times.get(side).push(performance.now() - startedAt);
    }
  }
  const rows = sides.map((side) => {
    const sorted = times.get(side).sort((a, b) => a - b);
    return { name: side.name, p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
  });
  const [bare, docker] = [rows[0], rows.find((row) => row.name.startsWith("docker run"))];
  console.log(`${ROUNDS} rounds, milliseconds; ratios of medians`);
  console.log("p50".padStart(8), "p95".padStart(8), "x bare".padStart(8), "docker run is".padStart(16), " what");
  for (const row of rows) {
    const slower = docker ? `${(docker.p50 / row.p50).toFixed(1)} x slower` : "-";
    console.log(
      row.p50.toFixed(2).padStart(8),
      row.p95.toFixed(2).padStart(8),
      (row.p50 / bare.p50).toFixed(2).padStart(8),
      slower.padStart(16),
      ` ${row.name}`,
    );
  }
  for (const side of library) await side.close?.();
} finally {
  rmSync(roots, { recursive: true, force: true });
}
