// Other sandboxes, put into a cache when they are first needed: none is a dependency of this package, and nothing of the system is changed.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Skip } from "../context.mjs";

const execute = promisify(execFile);
const TIMEOUT_MS = 300_000;

export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "iso-runtime-peers");

/** The folder of an npm package's own node_modules. */
export const npmPackage = (name) =>
  once(`npm-${name.replaceAll(/\W+/g, "-")}`, (folder) =>
    run("npm", ["install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder, name]),
  );

/** The folder of a virtual environment that has these distributions. */
export const pythonPackage = (requirement, python) =>
  once(`pip-${requirement.replaceAll(/\W+/g, "-")}`, async (folder) => {
    // A system's own Python may have no ensurepip.
    await run(python, ["-m", "venv", folder]).catch(() => run("python3", ["-m", "venv", "--clear", folder]));
    await run(join(folder, "bin/pip"), ["install", "--quiet", requirement]);
  });

/** A folder with what these Debian packages hold, unpacked and not installed. */
export const debianPackages = (names) =>
  once(`deb-${names.join("-")}`, async (folder) => {
    await run("apt-get", ["download", ...names], { cwd: folder });
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".deb")))
      await run("dpkg", ["-x", join(folder, file), folder]);
  });

export async function version(command, args) {
  const { stdout, stderr } = await execute(command, args, { timeout: TIMEOUT_MS });
  return (stdout || stderr).trim().split("\n")[0];
}

/** What is only half there is made anew. Throws Skip that says what could not be had. */
async function once(name, make) {
  const folder = join(cache, name);
  const done = join(cache, `${name}.done`);
  if (existsSync(done)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  console.log(`installing ${name} into the cache, once`);
  try {
    await make(folder);
  } catch (error) {
    throw new Skip(
      `${name} cannot be installed: ${(error.stderr || error.message).trim().split("\n").slice(-2).join(" ")}`,
    );
  }
  mkdirSync(done);
  return folder;
}

async function run(command, args, options = {}) {
  await execute(command, args, { timeout: TIMEOUT_MS, ...options });
}
