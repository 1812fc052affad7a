// Runs the benchmark, with the tests' own Docker daemon where no other one was named.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const bench = (env) =>
  spawnSync(process.execPath, [at("../bench/warm-run.mjs"), ...process.argv.slice(2)], { stdio: "inherit", env });

if (process.env.DOCKER_HOST !== undefined || process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1") {
  process.exitCode = bench(process.env).status ?? 1;
} else {
  const { start } = await createJiti(import.meta.url).import("../tests/support/dockerd.ts");
  const daemon = await start();
  try {
    process.exitCode = bench({ ...process.env, DOCKER_HOST: daemon.host }).status ?? 1;
  } finally {
    await daemon.stop();
  }
}
