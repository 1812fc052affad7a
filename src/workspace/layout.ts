// Where everything of the two roots lies, in one place. Beside the folders of users a root holds `.iso-runtime/` only.
import { chmodSync, mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { IsoError } from "../model/errors.js";
import { errnoOf } from "../safefs/errors.js";

export const STATE = ".iso-runtime";
/** The one top-level folder of out/ that is the host's: logs of the current run, never the program's files. */
export const RESERVED_DIR = "logs";
/** The program's source in work/. */
export const MAIN_FILE = "main.py";

export interface Layout {
  readonly workspaceRoot: string;
  readonly sandboxRoot: string;
  /** Our own state in the workspace root. */
  readonly state: string;
  readonly rootId: string;
  readonly instances: string;
  readonly users: string;
  readonly queues: string;
  /** New trees while they are built: one folder per workspace, one below it per commit. */
  readonly staging: string;
  /** Earlier states of workspaces: one folder per workspace, one below it per version. */
  readonly versions: string;
  /** One folder per workspace: the tree that the next commit makes the live one, its files those of the live tree by hard links. */
  readonly twins: string;
  /** One file per workspace: what its newest version holds. */
  readonly records: string;
  /** One folder per workspace: folders of `staging` and `versions` that serve again. */
  readonly spareFolders: string;
  /** Old trees on their way out, of the workspace root. */
  readonly trash: string;
  readonly slots: string;
  /** Sandbox folders of runs without a workspace. */
  readonly runs: string;
  /** Sandbox folders while they are built. */
  readonly building: string;
  /** Old sandbox folders on their way out. */
  readonly sandboxTrash: string;
}

/** Makes the folders of both roots and says where they are. */
export function openLayout(workspaceRoot: string, sandboxRoot: string): Layout {
  const layout = locateLayout(workspaceRoot, sandboxRoot);
  checkApart(layout.workspaceRoot, layout.sandboxRoot, "workspace root", "sandbox root");
  checkApart(layout.sandboxRoot, layout.workspaceRoot, "sandbox root", "workspace root");
  for (const root of [layout.workspaceRoot, layout.sandboxRoot]) makeRoot(root);
  const { instances, users, queues, staging, versions, twins, records, spareFolders, trash } = layout;
  const { slots, runs, building, sandboxTrash } = layout;
  const ofWorkspaces = [instances, users, queues, staging, versions, twins, records, spareFolders, trash];
  for (const folder of [...ofWorkspaces, slots, runs, building, sandboxTrash]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  return layout;
}

/** The same without making anything. */
export function locateLayout(workspaceRoot: string, sandboxRoot: string): Layout {
  return describe(settle(workspaceRoot), settle(sandboxRoot));
}

export const liveDir = (layout: Layout, dir: string): string => join(layout.workspaceRoot, dir, "out");
export const twinDir = (layout: Layout, dir: string): string => join(layout.twins, dir);
export const recordFile = (layout: Layout, dir: string): string => join(layout.records, dir);
export const versionsDir = (layout: Layout, dir: string): string => join(layout.versions, dir);
export const sandboxDir = (layout: Layout, dir: string): string => join(layout.sandboxRoot, dir);

function describe(workspaceRoot: string, sandboxRoot: string): Layout {
  const state = join(workspaceRoot, STATE);
  const sandboxState = join(sandboxRoot, STATE);
  return {
    workspaceRoot,
    sandboxRoot,
    state,
    rootId: join(state, "root-id"),
    instances: join(state, "instances"),
    users: join(state, "users"),
    queues: join(state, "queue"),
    staging: join(state, "staging"),
    versions: join(state, "versions"),
    twins: join(state, "twins"),
    records: join(state, "records"),
    spareFolders: join(state, "spare-folders"),
    trash: join(state, "trash"),
    slots: join(sandboxState, "slots"),
    runs: join(sandboxState, "runs"),
    building: join(sandboxState, "building"),
    sandboxTrash: join(sandboxState, "trash"),
  };
}

/** A path with its links resolved as far as it exists, so that two spellings of one folder are told apart from two folders. */
function settle(path: string): string {
  const whole = resolve(path);
  const missing: string[] = [];
  for (let at = whole; ; at = dirname(at)) {
    try {
      return join(realpathSync(at), ...missing);
    } catch (error) {
      if (dirname(at) === at)
        throw new IsoError("config_invalid", `The folder "${whole}" cannot be found.`, { cause: error });
      missing.unshift(basename(at));
    }
  }
}

function checkApart(outer: string, inner: string, outerName: string, innerName: string): void {
  const below = relative(outer, inner);
  const first = below.split(sep)[0];
  if (first === ".." || first === STATE || (below !== "" && resolve(below) === below)) return;
  const where =
    below === ""
      ? `The ${innerName} and the ${outerName} are the same folder`
      : `The ${innerName} "${inner}" lies inside the ${outerName} "${outer}"`;
  throw new IsoError("config_invalid", `${where}, where it would be taken for a user's folder.`, {
    hint: "Choose two folders side by side.",
  });
}

/** Systems of the kernel's own, where making a folder can neither succeed nor end. */
const KERNEL_SYSTEMS = ["/proc", "/sys", "/dev/fd"];

function makeRoot(root: string): void {
  const system = KERNEL_SYSTEMS.find((folder) => root === folder || root.startsWith(`${folder}/`));
  if (system !== undefined) {
    throw new IsoError("config_invalid", `The folder "${root}" cannot be used: nothing can be kept below ${system}.`, {
      hint: "Choose a folder that this account may write.",
    });
  }
  try {
    mkdirSync(root, { recursive: true, mode: 0o755 });
    const state = join(root, STATE);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    chmodSync(state, 0o700);
  } catch (error) {
    throw new IsoError("config_invalid", `The folder "${root}" cannot be used: ${whyNot(error)}`, {
      hint: "Choose a folder that this account may write, or change its owner.",
      cause: error,
    });
  }
}

/** Node makes a folder and its parents on a read-only file system until it cannot find them. */
function whyNot(error: unknown): string {
  if (errnoOf(error) === "ENOENT") return "no folder can be made there; the file system may be read-only";
  return error instanceof Error ? error.message : String(error);
}
