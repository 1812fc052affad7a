// The arguments of bubblewrap for one sandbox. Pure: everything it needs to know of the host is handed in.
import { HOST_NAME, INSIDE_ID } from "../linux/inside.js";
import type { InterpreterMounts } from "../linux/interpreter-mounts.js";
import type { ReadOnlyBind, RootLayout } from "../linux/root-layout.js";
import { FD } from "./start.js";

const RUNNER_DIR = "/runner";

export interface SandboxArguments {
  readonly canDisableUserns: boolean;
  readonly root: RootLayout;
  readonly interpreter: InterpreterMounts;
  /** Path of the interpreter, the same on both sides. */
  readonly python: string;
  /** Folders of the host; as the engine finds them, which a launcher may have moved. */
  readonly slotDir: string;
  readonly runnerPackage: string;
  /** Files of /etc that are made for sandboxes: name → path on the host. */
  readonly etcFiles: readonly ReadOnlyBind[];
  /** Where the engine finds the interpreter's folders. */
  readonly sourceOf: (path: string) => string;
  /** Bound of /tmp and of /dev/shm, each. */
  readonly tmpfsBytes: number;
}

export function bwrapArguments(sandbox: SandboxArguments): string[] {
  return [
    ...isolation(sandbox),
    // First, as an interpreter may lie below /tmp.
    ...kernelFileSystems(sandbox),
    ...system(sandbox),
    ...own(sandbox),
    // Everything is mounted; from here on the root itself takes no new entry.
    ...["--remount-ro", "/"],
    ...["--chdir", "/"],
    ...environment(),
    "--",
    sandbox.python,
    ...["-I", "-X", "utf8", `${RUNNER_DIR}/iso_runner`, "--fd", String(FD.control)],
  ];
}

function isolation({ canDisableUserns }: SandboxArguments): string[] {
  return [
    // Named beside --unshare-all, which would go on without a user namespace where none can be made.
    "--unshare-user",
    "--unshare-all",
    ...(canDisableUserns ? ["--disable-userns"] : []),
    ...["--uid", String(INSIDE_ID), "--gid", String(INSIDE_ID)],
    ...["--hostname", HOST_NAME],
    ...["--cap-drop", "ALL"],
    "--die-with-parent",
    "--new-session",
    // The supervisor is pid 1: nothing inside can kill it, and how the program ended is seen first hand.
    "--as-pid-1",
    ...["--json-status-fd", String(FD.status)],
    ...["--block-fd", String(FD.block)],
    ...["--seccomp", String(FD.seccomp)],
  ];
}

function system({ root, interpreter, etcFiles, sourceOf }: SandboxArguments): string[] {
  return [
    ...root.binds.flatMap(readOnly),
    ...root.links.flatMap(({ at, to }) => ["--symlink", to, at]),
    ...etcFiles.flatMap(readOnly),
    ...interpreter.binds.flatMap((dest) => readOnly({ source: sourceOf(dest), dest })),
    ...interpreter.links.flatMap(({ at, to }) => ["--symlink", to, at]),
  ];
}

function kernelFileSystems({ root, tmpfsBytes }: SandboxArguments): string[] {
  const tmpfs = (dest: string) => ["--size", String(tmpfsBytes), "--perms", "1777", "--tmpfs", dest];
  return [
    ...["--proc", "/proc"],
    // A sandbox whose host uid is root could otherwise write to the host through /proc/sys.
    ...root.readOnlyProc.flatMap((path) => readOnly({ source: path, dest: path })),
    ...root.coveredProc.flatMap((path) => readOnly({ source: "/dev/null", dest: path })),
    ...["--dev", "/dev"],
    // The engine's own /dev and /dev/shm are file systems without a bound.
    ...tmpfs("/dev/shm"),
    ...["--remount-ro", "/dev"],
    ...tmpfs("/tmp"),
  ];
}

function own({ slotDir, runnerPackage }: SandboxArguments): string[] {
  return [...["--bind", slotDir, "/sandbox"], ...readOnly({ source: runnerPackage, dest: `${RUNNER_DIR}/iso_runner` })];
}

/** What the supervisor starts with; the program gets an environment of its own from it. */
function environment(): string[] {
  return ["--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"];
}

function readOnly({ source, dest }: ReadOnlyBind): string[] {
  return ["--ro-bind", source, dest];
}
