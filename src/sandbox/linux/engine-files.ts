// Files every sandbox of one instance shows or is started with, made once: the few generated files of /etc, the system call
// filter, and a readable copy of the runner where the installed one is closed to the sandbox's uid.
import { chmodSync, cpSync, mkdirSync, openSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { IsoError } from "../../model/errors.js";
import { removeTree } from "../../safefs/remove.js";
import { accountFiles, writeReadableFiles } from "../account-files.js";
import type { BackendContext } from "../backend.js";
import { buildFilter, thisMachine } from "../seccomp/filter.js";
import { canBeReadByAll } from "./access.js";
import { INSIDE_ID } from "./inside.js";
import type { ReadOnlyBind } from "./root-layout.js";

const ETC_FILES: Readonly<Record<string, string>> = {
  ...accountFiles({ uid: INSIDE_ID, gid: INSIDE_ID }),
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
};

export interface EngineFiles {
  /** What of these a sandbox binds. */
  readonly etc: readonly ReadOnlyBind[];
  readonly runnerPackage: string;
  /** A new descriptor at the start of the filter; closing it is the caller's. */
  openFilter(): number;
  remove(): Promise<void>;
}

/** `engine` names the folder, one for each backend. Throws IsoError `sandbox_unavailable` on a machine there is no filter for. */
export function makeEngineFiles(context: BackendContext, engine: string): EngineFiles {
  const machine = thisMachine();
  if (machine === null) {
    throw new IsoError("sandbox_unavailable", `There is no system call filter for ${process.arch}.`, {
      hint: "x86_64 and aarch64 are supported; elsewhere use the docker backend.",
    });
  }
  const dir = join(context.slotsDir, `${context.instance.id}-${engine}`);
  const etcDir = join(dir, "etc");
  makeReadable(dir);
  const etc = writeReadableFiles(etcDir, ETC_FILES).map((source) => ({ source, dest: `/etc/${basename(source)}` }));
  const filter = join(dir, "seccomp.bpf");
  writeFileSync(filter, buildFilter(machine));
  chmodSync(filter, 0o644);
  return {
    etc,
    runnerPackage: readableRunner(context.runnerDir, dir),
    openFilter: () => openSync(filter, "r"),
    remove: () => removeTree(dir),
  };
}

/** The folder above may be closed to the sandboxes' uids, which a launcher mends; the files themselves may not be. */
function readableRunner(runnerDir: string, dir: string): string {
  const installed = realpathSync(join(runnerDir, "iso_runner"));
  const sources = readdirSync(installed).filter((name) => name.endsWith(".py"));
  if ([installed, ...sources.map((name) => join(installed, name))].every(canBeReadByAll)) return installed;
  const copy = join(dir, "iso_runner");
  makeReadable(copy);
  for (const name of sources) {
    cpSync(join(installed, name), join(copy, name));
    chmodSync(join(copy, name), 0o644);
  }
  return copy;
}

// Modes are set apart from making, as the caller's umask may be strict.
function makeReadable(folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}
