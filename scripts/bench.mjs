// Runs the benchmark, with the tests' own Docker daemon where no other one was named.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
/** Each measures both of its sides in one process; the first that fails ends it. */
const BENCHMARKS = ["../bench/warm-run.mjs", "../bench/layers.mjs"];
const bench = (env) => {
  const run = (path) => spawnSync(process.execPath, [at(path), ...process.argv.slice(2)], { stdio: "inherit", env });
  return BENCHMARKS.map((path) => run(path).status ?? 1).find((status) => status !== 0) ?? 0;
};

if (process.env.DOCKER_HOST !== undefined || process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1") {
  process.exitCode = bench(process.env);
} else {
  const { start } = await createJiti(import.meta.url).import("../tests/support/dockerd.ts");
  const daemon = await start();
  try {
    process.exitCode = bench({ ...process.env, DOCKER_HOST: daemon.host });
  } finally {
    await daemon.stop();
  }
}
