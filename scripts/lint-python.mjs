// ruff and mypy over the Python parts. Where they cannot be had, that is said loudly, and the rest of the checks still counts.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonTools } from "./python-tools.mjs";

const PYTHON_DIR = fileURLToPath(new URL("../python", import.meta.url));

const { missing, bin } = pythonTools("lint", ["ruff==0.17.6", "mypy==1.19.1"]);
if (missing !== null) {
  console.log("################ Python was NOT linted: skipped ################");
  console.log(missing);
} else {
  const results = [run("ruff", ["check", "."]), run("ruff", ["format", "--check", "."]), run("mypy", [])];
  process.exitCode = results.every((status) => status === 0) ? 0 : 1;
}

function run(tool, args) {
  return spawnSync(join(bin, tool), args, { cwd: PYTHON_DIR, stdio: "inherit" }).status;
}
