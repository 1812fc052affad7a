// ruff and mypy over the Python parts, from a virtual environment of their own with pinned versions, so that every machine finds the same.
// Where no such environment can be made, that is said loudly, and the rest of the checks still counts.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["ruff==0.17.6", "mypy==1.19.1"];
const PYTHON_DIR = fileURLToPath(new URL("../python", import.meta.url));
const VENV = fileURLToPath(new URL("../.cache/lint-venv", import.meta.url));
const STAMP = join(VENV, "installed");

const missing = isInstalled() ? null : install();
if (missing !== null) {
  console.log("################ Python was NOT linted: skipped ################");
  console.log(
    `${missing}\nWay out: have python3 with its venv module (Debian: apt-get install python3-venv) and a package index that pip reaches.`,
  );
} else {
  const results = [run("ruff", ["check", "."]), run("ruff", ["format", "--check", "."]), run("mypy", [])];
  process.exitCode = results.every((status) => status === 0) ? 0 : 1;
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === PACKAGES.join(" ");
}

/** Null when it is there, else why not. */
function install() {
  rmSync(VENV, { recursive: true, force: true });
  mkdirSync(VENV, { recursive: true });
  const made = spawnSync("python3", ["-m", "venv", VENV], { encoding: "utf8" });
  if (made.status !== 0) return `python3 -m venv: ${made.error?.message ?? made.stderr}${made.stdout ?? ""}`;
  const pip = spawnSync(join(VENV, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", ...PACKAGES], {
    encoding: "utf8",
  });
  if (pip.status !== 0) return `pip install ${PACKAGES.join(" ")}: ${pip.error?.message ?? pip.stderr}`;
  writeFileSync(STAMP, PACKAGES.join(" "));
  return null;
}

function run(tool, args) {
  return spawnSync(join(VENV, "bin", tool), args, { cwd: PYTHON_DIR, stdio: "inherit" }).status;
}
