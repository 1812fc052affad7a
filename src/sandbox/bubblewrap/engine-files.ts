// Files every sandbox of one instance shows or is started with, made once: the few generated files of /etc, the system call
// filter, and a readable copy of the runner where the installed one is closed to the sandbox's uid.
import { chmodSync, cpSync, mkdirSync, openSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../../model/errors.js";
import { removeTree } from "../../safefs/remove.js";
import type { BackendContext } from "../backend.js";
import { buildFilter, thisMachine } from "../seccomp/filter.js";
import { canRead } from "./access.js";
import { INSIDE_ID } from "./args.js";
import type { ReadOnlyBind } from "./root-layout.js";

const ETC_FILES: Readonly<Record<string, string>> = {
  passwd: `sandbox:x:${INSIDE_ID}:${INSIDE_ID}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n`,
  group: `sandbox:x:${INSIDE_ID}:\nnogroup:x:65534:\n`,
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

/** Throws IsoError `sandbox_unavailable` on a machine there is no filter for. */
export function makeEngineFiles(context: BackendContext): EngineFiles {
  const machine = thisMachine();
  if (machine === null) {
    throw new IsoError("sandbox_unavailable", `There is no system call filter for ${process.arch}.`, {
      hint: "x86_64 and aarch64 are supported; elsewhere use the docker backend.",
    });
  }
  const dir = join(context.slotsDir, `${context.instance.id}-engine`);
  const etcDir = join(dir, "etc");
  for (const folder of [dir, etcDir]) makeReadable(folder);
  const etc = Object.entries(ETC_FILES).map(([name, text]) => {
    writeReadable(join(etcDir, name), text);
    return { source: join(etcDir, name), dest: `/etc/${name}` };
  });
  const filter = join(dir, "seccomp.bpf");
  writeReadable(filter, buildFilter(machine));
  return {
    etc,
    runnerPackage: readableRunner(context, dir),
    openFilter: () => openSync(filter, "r"),
    remove: () => removeTree(dir),
  };
}

/** The folder above may be closed to the sandbox's uid, which a launcher mends; the files themselves may not be. */
function readableRunner({ runnerDir, owner }: BackendContext, dir: string): string {
  const installed = realpathSync(join(runnerDir, "iso_runner"));
  const sources = readdirSync(installed).filter((name) => name.endsWith(".py"));
  if (canRead(owner, installed) && sources.every((name) => canRead(owner, join(installed, name)))) return installed;
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

function writeReadable(path: string, content: string | Buffer): void {
  writeFileSync(path, content);
  chmodSync(path, 0o644);
}
