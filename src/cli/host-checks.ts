// What `doctor` looks at before any backend: Node, and whether the two roots can be used, on which file system. Creates nothing.
import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { shellWord } from "../model/shell-word.js";
import type { Check } from "../sandbox/backend.js";

/** As package.json's `engines` has it. */
const MIN_NODE = [20, 19] as const;

interface FileSystem {
  name: string;
  /** Why a root there is not quite, or not at all, as good as a local disk. */
  warn?: string;
  fail?: string;
}

const SHARED = "locks and renames of one host may not hold for another: let one host alone use it";
const VIRTUAL = "it holds no files of ours";

/** By the number that statfs(2) lists. */
const FILE_SYSTEMS = new Map<number, FileSystem>([
  [0xef53, { name: "ext4" }],
  [0x58465342, { name: "xfs" }],
  [0x9123683e, { name: "btrfs" }],
  [0x2fc12fc1, { name: "zfs" }],
  [0xf2f52010, { name: "f2fs" }],
  [0x794c7630, { name: "overlayfs" }],
  [0x01021994, { name: "tmpfs", warn: "it is gone at the next boot" }],
  [0x6969, { name: "nfs", warn: SHARED }],
  [0xff534d42, { name: "cifs", warn: SHARED }],
  [0xfe534d42, { name: "smb2", warn: SHARED }],
  [0x01021997, { name: "9p", warn: SHARED }],
  [0x65735546, { name: "fuse", warn: SHARED }],
  [0x9fa0, { name: "proc", fail: VIRTUAL }],
  [0x62656572, { name: "sysfs", fail: VIRTUAL }],
]);

export interface Roots {
  readonly workspaceRoot: string;
  readonly sandboxRoot: string;
}

export function hostChecks(
  { workspaceRoot, sandboxRoot }: Roots,
  nodeVersion: string = process.versions.node,
): Check[] {
  return [
    nodeCheck(nodeVersion),
    rootCheck("workspace root", workspaceRoot, "ISO_RUNTIME_USER_WORKSPACE_ROOT"),
    rootCheck("sandbox root", sandboxRoot, "ISO_RUNTIME_SANDBOX_ROOT"),
  ];
}

function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (enough) return { name: "node", status: "ok", message: version };
  const least = MIN_NODE.join(".");
  return {
    name: "node",
    status: "fail",
    message: `${version} is older than ${least}`,
    fix: `Install Node ${least} or newer.`,
  };
}

function rootCheck(name: string, root: string, variable: string): Check {
  const elsewhere = `export ${variable}=/a/folder/of/yours`;
  const place = nearest(root);
  const fileSystem = fileSystemOf(place);
  const where = place === root ? root : `${root} (to be made in ${place})`;
  if (fileSystem.fail !== undefined)
    return { name, status: "fail", message: `${where}: on ${fileSystem.name}, ${fileSystem.fail}`, fix: elsewhere };
  if (!statSync(place).isDirectory())
    return { name, status: "fail", message: `${where}: ${place} is no folder`, fix: elsewhere };
  const closed = whyClosed(place);
  if (closed === "EROFS")
    return { name, status: "fail", message: `${where}: the file system of ${place} is read-only`, fix: elsewhere };
  if (closed !== null) {
    const mine = `sudo install -d -o "$(id -un)" -m 755 ${shellWord(root)}`;
    return {
      name,
      status: "fail",
      message: `${where}: ${place} is not writable for this user`,
      fix: `${mine}\n${elsewhere}`,
    };
  }
  const on = `${where} on ${fileSystem.name}`;
  if (fileSystem.warn !== undefined)
    return { name, status: "warn", message: `${on}: ${fileSystem.warn}`, fix: elsewhere };
  return { name, status: "ok", message: on };
}

/** The path itself, or the closest of its parents that is there. */
function nearest(path: string): string {
  let at = path;
  while (!isThere(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

/** What cannot be looked at, below a file or in a closed folder, is answered for by its parent. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function fileSystemOf(path: string): FileSystem {
  const { type } = statfsSync(path);
  return FILE_SYSTEMS.get(type) ?? { name: `file system 0x${type.toString(16)}` };
}

/** The system's code for a folder in which this account can make nothing; null where it can. */
function whyClosed(folder: string): string | null {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "EACCES";
  }
}
