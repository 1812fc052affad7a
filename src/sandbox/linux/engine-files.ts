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

/** Our Python packages that a launcher or a sandbox loads. */
export const PACKAGES = ["iso_runner", "iso_zygote"];

export interface EngineFiles {
  /** What of these a sandbox binds. */
  readonly etc: readonly ReadOnlyBind[];
  /** The folder that holds our Python packages, readable for sandboxes' users. */
  readonly packages: string;
  /** The compiled system call filter. */
  readonly filter: Buffer;
  /** A folder for sandboxes' own, which anybody who gets there can pass through and nobody else can list. */
  readonly slotsDir: string;
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
  const slotsDir = join(dir, "slots");
  mkdirSync(slotsDir);
  chmodSync(slotsDir, 0o711);
  const etc = writeReadableFiles(etcDir, ETC_FILES).map((source) => ({ source, dest: `/etc/${basename(source)}` }));
  const filter = buildFilter(machine);
  const filterFile = join(dir, "seccomp.bpf");
  writeFileSync(filterFile, filter);
  chmodSync(filterFile, 0o644);
  return {
    etc,
    packages: readablePackages(context.runnerDir, dir),
    filter,
    slotsDir,
    openFilter: () => openSync(filterFile, "r"),
    remove: () => removeTree(dir),
  };
}

/** The folder above may be closed to the sandboxes' uids, which a launcher mends; the files themselves may not be. */
function readablePackages(runnerDir: string, dir: string): string {
  const installed = realpathSync(runnerDir);
  const sources = PACKAGES.flatMap((name) =>
    readdirSync(join(installed, name))
      .filter((file) => file.endsWith(".py"))
      .map((file) => join(name, file)),
  );
  const needed = [
    installed,
    ...PACKAGES.map((name) => join(installed, name)),
    ...sources.map((at) => join(installed, at)),
  ];
  if (needed.every(canBeReadByAll)) return installed;
  const copy = join(dir, "python");
  makeReadable(copy);
  for (const name of PACKAGES) makeReadable(join(copy, name));
  for (const at of sources) {
    cpSync(join(installed, at), join(copy, at));
    chmodSync(join(copy, at), 0o644);
  }
  return copy;
}

// Modes are set apart from making, as the caller's umask may be strict.
function makeReadable(folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}
