// `iso-runtime workspace …`: the files of a workspace and its versions, looked at and changed. Names and contents are a program's: what
// people read has no control character of theirs, what a machine reads is exact.
import { pipeline } from "node:stream/promises";
import { formatBytes } from "../diagnostics/printable.js";
import { createRuntime, type Runtime } from "../harness/runtime.js";
import type { DiffView, HistoryView, ListedFile, WorkspaceName } from "../harness/workspaces.js";
import { IsoError } from "../model/errors.js";
import { MiB } from "../model/limits.js";
import type { FileChange, Version } from "../model/versions.js";
import { READER_LEFT, writeOut } from "./documents.js";
import { fileName, oneLine, printable } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

export interface WorkspaceFlags {
  user: string;
  workspace?: string;
  config?: string;
  json?: boolean;
  withEdits?: boolean;
}

type Work<T> = (runtime: Runtime, name: WorkspaceName) => Promise<T>;

/** A document for a machine, or a text for people; the exit status is 0 whenever this returns. */
async function answer<T extends object>(
  flags: WorkspaceFlags,
  work: Work<T>,
  render: (found: T, style: Style) => string,
): Promise<void> {
  const found = await withRuntime(flags, work);
  if (flags.json) await writeOut(`${JSON.stringify({ ok: true, ...found })}\n`);
  else await writeOut(render(found, styleFor(process.stdout, true)));
}

async function withRuntime<T>(flags: WorkspaceFlags, work: Work<T>): Promise<T> {
  return await orFault(flags.json, async () => {
    const { user: userId, workspace, config } = flags;
    for (const flag of ["workspace", "config"] as const) {
      if (flags[flag] !== "") continue;
      throw new IsoError("invalid_request", `--${flag}: it must not be empty`, { field: flag });
    }
    // Tools and bundles are nothing to a workspace.
    const runtime = await createRuntime({ tools: { tools: [] }, warm: 0, ...(config !== undefined && { config }) });
    try {
      return await work(runtime, { userId, workspace });
    } finally {
      await runtime.close();
    }
  });
}

export async function listCommand(flags: WorkspaceFlags): Promise<void> {
  await answer(
    flags,
    async ({ workspaces }, name) => {
      const files = await workspaces.files(name);
      return { files, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
    renderFiles,
  );
}

function renderFiles({ files, bytes }: { files: ListedFile[]; bytes: number }, style: Style): string {
  const width = Math.max(0, ...files.map((file) => String(file.bytes).length));
  const lines = files.map(({ path, kind, bytes: size }) => {
    const what = kind === "file" ? "" : `  ${style.yellow(kind)}`;
    return `${String(size).padStart(width)}  ${fileName(path, 10_000)}${what}\n`;
  });
  const total = files.length === 1 ? "1 file" : `${files.length} files`;
  return `${lines.join("")}${style.dim(`${total}, ${formatBytes(bytes)}`)}\n`;
}

/** The bytes as they are, unless they would reach a terminal. */
export async function catCommand(path: string, flags: WorkspaceFlags): Promise<void> {
  await withRuntime(flags, async ({ workspaces }, name) => {
    const file = await workspaces.readFile(name, path);
    if (flags.json) {
      const bytes = await allOf(file, path);
      const text = bytes.toString("utf8");
      const exact = Buffer.from(text).equals(bytes);
      const content = exact ? { text } : { base64: bytes.toString("base64") };
      await writeOut(`${JSON.stringify({ ok: true, path, bytes: bytes.length, ...content })}\n`);
    } else if (process.stdout.isTTY) {
      const decoder = new TextDecoder();
      for await (const chunk of file) await writeOut(printable(decoder.decode(chunk, { stream: true })));
    } else {
      await pipeline(file, process.stdout, { end: false }).catch((error) => {
        if (!(error instanceof Error && "code" in error && READER_LEFT.includes(String(error.code)))) throw error;
      });
    }
  });
}

const MAX_JSON_BYTES = 4 * MiB;

async function allOf(file: AsyncIterable<Buffer>, path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of file) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes <= MAX_JSON_BYTES) continue;
    throw new IsoError("invalid_request", `"${path}" has more than ${MAX_JSON_BYTES} bytes, the most for --json`, {
      hint: "Leave --json out: then the bytes come as they are.",
    });
  }
  return Buffer.concat(chunks);
}

export async function removeCommand(path: string, flags: WorkspaceFlags): Promise<void> {
  await answer(
    flags,
    async ({ workspaces }, name) => ({ removed: path, version: await workspaces.remove(name, path) }),
    ({ version }, style) => {
      const made = version === null ? "versions are off: it cannot be brought back" : `version ${version}`;
      return `${style.green("✓")} removed ${fileName(path)} · ${made}\n`;
    },
  );
}

export async function historyCommand(flags: WorkspaceFlags): Promise<void> {
  await answer(flags, ({ workspaces }, name) => workspaces.history(name), renderHistory);
}

export function renderHistory({ versions, changedByHand }: HistoryView, style: Style): string {
  if (versions.length === 0) return "no version yet: the first run that changes a file makes one\n";
  const lines = versions.map((version) => {
    const { id, at, current, kept } = version;
    const mark = current ? style.green("●") : " ";
    const state = current
      ? ` ${style.green("current")}${changedByHand ? style.yellow(", changed by hand since") : ""}`
      : kept
        ? ""
        : ` ${style.dim("not kept")}`;
    return `${mark} ${style.bold(id)}  ${at.slice(0, 19)}Z  ${sayChanges(version)}  ${style.dim(sayKind(version))}${state}\n`;
  });
  return lines.join("");
}

const sayChanges = ({ changes: { created, modified, deleted } }: Pick<Version, "changes">): string =>
  `+${created} ~${modified} -${deleted}`;

function sayKind({ kind, runId, restored }: Version): string {
  switch (kind) {
    case "run":
      return `run ${oneLine(runId ?? "", 64)}`;
    case "undo":
      return `undo, back to ${restored}`;
    case "rm":
      return "a path removed";
    case "put":
      return "a file sent";
    case "hand":
      return "changed by hand";
    case "start":
      return "before the first version";
  }
}

export async function diffCommand(
  from: string | undefined,
  to: string | undefined,
  flags: WorkspaceFlags,
): Promise<void> {
  await answer(flags, ({ workspaces }, name) => workspaces.diff(name, from, to), renderDiff);
}

export function renderDiff({ from, to, changes, totals }: DiffView, style: Style): string {
  const head = `${style.bold(`${from.id}..${to.id}`)}${to.live ? " (live)" : ""}  ${sayChanges({ changes: totals })}\n`;
  const total = totals.created + totals.modified + totals.deleted;
  const rest = total > changes.length ? style.dim(`… and ${total - changes.length} more\n`) : "";
  return `${head}${changes.map((change) => renderChange(change, style)).join("")}${rest}`;
}

function renderChange({ path, change, bytesBefore, bytesAfter, patch }: FileChange, style: Style): string {
  const mark = { created: style.green("+"), modified: style.yellow("~"), deleted: style.red("-") }[change];
  const sizes = [bytesBefore, bytesAfter].filter((bytes) => bytes !== null).map(formatBytes);
  const lines = patch ? patch.split("\n").map((line) => `${colour(fileName(line, 1000), style)}\n`) : [];
  return `${mark} ${fileName(path, 1000)}  ${style.dim(sizes.join(" → "))}\n${lines.join("")}`;
}

function colour(line: string, style: Style): string {
  if (line.startsWith("@@")) return style.cyan(line);
  if (line.startsWith("+")) return style.green(line);
  return line.startsWith("-") ? style.red(line) : line;
}

export async function undoCommand(version: string | undefined, flags: WorkspaceFlags): Promise<void> {
  await answer(
    flags,
    ({ workspaces }, name) => workspaces.undo(name, { version, withEdits: flags.withEdits }),
    ({ version: made, restored, changes, edited }, style) => {
      const named = edited.slice(0, 5).map(({ path }) => fileName(path));
      const more = edited.length > named.length ? ` and ${edited.length - named.length} more` : "";
      const edits =
        edited.length > 0 ? `${style.yellow("with edits made by hand since")}: ${named.join(", ")}${more}\n` : "";
      return `${style.green("✓")} back to ${restored} · ${sayChanges({ changes })} · version ${made}\n${edits}`;
    },
  );
}
