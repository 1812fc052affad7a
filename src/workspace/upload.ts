// A file that a caller sends. It is received whole beside the workspaces, where no program is and no lock is needed; then it is put into
// its workspace by the steps of a run's commit, as a version of its own.
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import { openTrustedDir } from "../safefs/dir.js";
import { SafeFsError } from "../safefs/errors.js";
import { splitPath } from "../safefs/rel-path.js";
import { scanLive, settleBefore } from "./before.js";
import type { StoreContext } from "./context.js";
import { failure } from "./failure.js";
import { liveDir, RESERVED_DIR } from "./layout.js";
import { openLive } from "./live.js";
import { isFolder, keyOf, lookUp, type Manifest, shownPath } from "./manifest.js";
import { replaceLive } from "./replace-live.js";
import type { VersionRecord } from "./version-folder.js";

const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 3000;
const MAX_DEPTH = 64;

/** A file that has come: at its own path below a folder of ours. Disposed of when it was put, or never will be. */
export interface Upload extends Disposable {
  readonly path: string;
  readonly dir: string;
  readonly bytes: number;
}

/** Throws IsoError for a path that no file of a workspace can have, before anything of `body` is read; what `body` throws goes on. */
export async function receiveUpload(
  { layout, instance }: StoreContext,
  path: string,
  body: AsyncIterable<Uint8Array>,
): Promise<Upload> {
  const folders = checkPath(path).slice(0, -1);
  // Of a dead process it is removed by whoever opens the roots next.
  const dir = join(layout.building, `${instance.id}.${randomBytes(8).toString("hex")}`);
  const remove = () => rmSync(dir, { recursive: true, force: true });
  try {
    mkdirSync(join(dir, ...folders), { recursive: true, mode: 0o700 });
    const bytes = await writeAll(join(dir, path), body);
    return { path, dir, bytes, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error instanceof IsoError ? error : failure(error, "The file cannot be received");
  }
}

async function writeAll(path: string, body: AsyncIterable<Uint8Array>): Promise<number> {
  const file: FileHandle = await open(path, "wx", 0o600);
  let bytes = 0;
  try {
    for await (const chunk of body) {
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
  } finally {
    await file.close();
  }
  return bytes;
}

/** Under the workspace's lock. The version that is then the newest; null where versions are off. */
export async function putUpload(
  context: StoreContext,
  dirName: string,
  { path, dir }: Upload,
  durable: boolean,
): Promise<VersionRecord | null> {
  using live = openLive(liveDir(context.layout, dirName), context.chownTo);
  checkPlace(await scanLive(live), path);
  using from = openTrustedDir(dir);
  return await replaceLive(context, {
    ...{ dirName, mark: "put", durable, made: { kind: "put", mark: "put" } },
    before: await settleBefore(context, dirName, durable),
    plan: { changes: [{ path: keyOf(Buffer.from(path)), coming: { kind: "file", from, entry: null, by: "copy" } }] },
  });
}

/** The components of a path that a file of a workspace may have. */
function checkPath(path: string): string[] {
  const invalid = (what: string) =>
    new IsoError("invalid_request", `path: ${what}`, {
      field: "path",
      hint: "A path is relative to the workspace's files, as its list has them.",
    });
  let parts: Buffer[];
  try {
    parts = splitPath(path);
  } catch (error) {
    if (error instanceof SafeFsError) throw invalid(error.message);
    throw error;
  }
  const names = parts.map((part) => part.toString("utf8"));
  if (names.join("/") !== path) throw invalid("it is no valid Unicode");
  if (parts.some((part) => part.length > MAX_NAME_BYTES)) throw invalid(`a name has more than ${MAX_NAME_BYTES} bytes`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw invalid(`it has more than ${MAX_PATH_BYTES} bytes`);
  if (names.length > MAX_DEPTH) throw invalid(`it has more than ${MAX_DEPTH} components`);
  if (names[0] === RESERVED_DIR) throw invalid(`"${RESERVED_DIR}" at the top is for the logs of the current run`);
  return names;
}

/** A file takes the place of a file or of nothing, in folders or where there is nothing: whatever else is there stays. */
function checkPlace({ root }: Manifest, path: string): void {
  const names = path.split("/");
  for (const [at] of names.entries()) {
    const node = lookUp(root, names.slice(0, at + 1).join("/"));
    if (node === null) return;
    const shown = shownPath(node.entry).path;
    const conflict = (what: string) => new IsoError("conflict", `"${shown}" ${what}.`, { field: "path" });
    if (node.leftOut !== null) throw conflict(`is no run's and in no version (${node.leftOut})`);
    if (at < names.length - 1 && !isFolder(node)) throw conflict("is no folder");
    if (at === names.length - 1 && isFolder(node)) throw conflict("is a folder");
  }
}
