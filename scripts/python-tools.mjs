// Python programs that checks and tests use, of pinned versions in a virtual environment of their own, so that every machine finds the same.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Installs them where they are not there yet. `missing` is null, or why they could not be had and the way out; `bin` is where they are. */
export function pythonTools(name, packages) {
  const venv = fileURLToPath(new URL(`../.cache/${name}-venv`, import.meta.url));
  const stamp = join(venv, "installed");
  const isThere = existsSync(stamp) && readFileSync(stamp, "utf8") === packages.join(" ");
  const trouble = isThere ? null : install(venv, packages);
  if (!isThere && trouble === null) writeFileSync(stamp, packages.join(" "));
  const wayOut =
    "Way out: have python3 with its venv module (Debian: apt-get install python3-venv) and a package index that pip reaches.";
  return { missing: trouble === null ? null : `${trouble}\n${wayOut}`, bin: join(venv, "bin") };
}

/** Null when it is there, else why not. */
function install(venv, packages) {
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(venv, { recursive: true });
  const made = spawnSync("python3", ["-m", "venv", venv], { encoding: "utf8" });
  if (made.status !== 0) return `python3 -m venv: ${made.error?.message ?? made.stderr}${made.stdout ?? ""}`;
  const args = ["install", "--quiet", "--disable-pip-version-check", ...packages];
  const pip = spawnSync(join(venv, "bin/pip"), args, { encoding: "utf8" });
  return pip.status === 0 ? null : `pip install ${packages.join(" ")}: ${pip.error?.message ?? pip.stderr}`;
}
