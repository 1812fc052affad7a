// The sections of the report, each a function of the result; an empty text where there is nothing to say.
import { formatBytes } from "../../diagnostics/printable.js";
import type { Artifact } from "../../model/files.js";
import { LIMITS, type LimitName } from "../../model/limits.js";
import type { RunResult } from "../../model/result.js";
import { fileName, oneLine, printable } from "./printable.js";
import type { Style } from "./style.js";

const MAX_ROWS = 20;
const MAX_LOG_LINES = 20;
const MAX_TREE_LINES = 20;
const ERROR_MARK = "▶";

export function contract({ contract: artifacts }: RunResult, style: Style): string {
  if (artifacts.length === 0) return "";
  const rows = artifacts.map((artifact) => [
    isMet(artifact) ? style.green("✓") : style.red("✗"),
    fileName(artifact.path, 80),
    isMet(artifact) ? style.green(artifact.status) : style.red(artifact.code ?? artifact.status),
    artifact.bytes === null ? "–" : formatBytes(artifact.bytes),
    oneLine(artifact.mime ?? "–", 80),
    style.dim(oneLine(artifact.message ?? artifact.description, 80)),
  ]);
  return section("contract", table(rows), style);
}

export function changes({ changes: found, totals }: RunResult, style: Style): string {
  const size = (bytes: number) => style.dim(formatBytes(bytes));
  // Each kind has rows of its own: many new files must not hide the one that was not kept.
  const first = <T>(list: readonly T[]) => list.slice(0, MAX_ROWS);
  const rows = [
    ...first(found.created).map(({ path, bytes }) => [style.green("+"), fileName(path, 100), size(bytes)]),
    ...first(found.modified).map(({ path, bytes }) => [style.yellow("~"), fileName(path, 100), size(bytes)]),
    ...first(found.deleted).map(({ path }) => [style.red("-"), fileName(path, 100), ""]),
    ...first(found.skipped).map(({ path, reason }) => [
      style.red("!"),
      fileName(path, 100),
      `not kept: ${oneLine(reason, 120)}`,
    ]),
  ];
  const hidden = [
    { count: totals.created - first(found.created).length, what: "created" },
    { count: totals.modified - first(found.modified).length, what: "modified" },
    { count: totals.deleted - first(found.deleted).length, what: "deleted" },
    { count: totals.skipped - first(found.skipped).length, what: "not kept" },
  ]
    .filter(({ count }) => count > 0)
    .map(({ count, what }) => `${count} ${what}`);
  const rest = hidden.length > 0 ? `\n  ${style.dim(`… and more: ${hidden.join(", ")}`)}` : "";
  const left = found.leftInWork.slice(0, 5).map(({ path, bytes }) => `  ${fileName(path, 100)} ${size(bytes)}`);
  const advice = "these files in work/ were not kept; write to OUTPUT_DIR to keep a file:";
  return [
    rows.length > 0 ? section("changes", table(rows) + rest, style) : "",
    left.length > 0
      ? `${style.yellow("left behind")}  ${advice}\n${left.join("\n")}${more(found.leftInWork.length, left.length, style)}`
      : "",
  ]
    .filter(Boolean)
    .join("\n\n");
}

export function toolCalls({ toolCalls: calls, totals }: RunResult, style: Style): string {
  if (calls.length === 0) return "";
  const rows = calls
    .slice(0, MAX_ROWS)
    .map(({ ok, toolId, durationMs, error, callReason }) => [
      ok ? style.green("✓") : style.red("✗"),
      oneLine(toolId, 60),
      style.dim(`${durationMs.toFixed(1)} ms`),
      error ? style.red(oneLine(`${error.code}: ${error.message}`, 160)) : style.dim(oneLine(callReason ?? "", 100)),
    ]);
  return section("tool calls", table(rows) + more(totals.toolCalls, rows.length, style), style);
}

/** The program's log is shown where it has errors, the other one where something of ours went wrong; live output was seen already. */
export function logs({ diagnostics, error }: RunResult, style: Style): string {
  const { errorLines, userLog, infraLog, hasError } = diagnostics;
  const errors = new Set(errorLines.map((line) => line.trim()));
  // The lines of `errorLines` are harmless already, and end at a carriage return, too.
  const isError = (line: string) => line.split("\r").some((part) => errors.has(printable(part).trim()));
  const marked = tail(userLog).map((line) =>
    isError(line) ? style.red(`${ERROR_MARK} ${printable(line, 300)}`) : `  ${printable(line, 300)}`,
  );
  const ours = error?.code === "sandbox_unavailable" || error?.code === "internal";
  return [
    hasError ? section("user.log", marked.join("\n"), style) : "",
    ours && infraLog
      ? section(
          "infra.log",
          tail(infraLog)
            .map((line) => `  ${printable(line, 300)}`)
            .join("\n"),
          style,
        )
      : "",
  ]
    .filter(Boolean)
    .join("\n\n");
}

/** What there is on disk, where somebody has to find out why a run failed; after a success the changes say enough. */
export function files({ ok, diagnostics }: RunResult, style: Style): string {
  if (ok || diagnostics.tree === "") return "";
  const lines = diagnostics.tree.trimEnd().split("\n");
  const shown = lines.slice(0, MAX_TREE_LINES).map((line) => `  ${printable(line, 200)}`);
  return section("files", shown.join("\n") + more(lines.length, shown.length, style), style);
}

export function timings({ timings: times, usage }: RunResult, style: Style): string {
  if (!times) return "";
  const steps = {
    queue: times.queueMs,
    bootstrap: times.bootstrapMs,
    sandbox: times.acquireMs,
    program: times.runMs,
    judge: times.judgeMs,
    sync: times.syncMs,
  };
  const list = Object.entries(steps).map(
    ([name, ms]) => `${style.dim(name)} ${ms < 10 ? ms.toFixed(1) : Math.round(ms)}`,
  );
  const cost = [
    usage?.cpuMs == null ? null : `${style.dim("cpu")} ${Math.round(usage.cpuMs)} ms`,
    usage?.maxRssBytes == null ? null : `${style.dim("memory")} ${formatBytes(usage.maxRssBytes)}`,
  ].filter((text) => text !== null);
  return `${style.bold("time")}  ${list.join("  ")} ms${cost.length > 0 ? `   ${cost.join("  ")}` : ""}`;
}

export function policy({ sandbox }: RunResult, style: Style): string {
  if (!sandbox) return "";
  const { limits, network, isolation } = sandbox.policy;
  const names = Object.keys(LIMITS) as LimitName[];
  const by = grouped(names, (name) => limits[name].enforcedBy);
  const parts = [...by].map(([engine, of]) => {
    const text = `${of.join(" ")} ${style.dim(`by ${engine}`)}`;
    return engine === "none" ? style.yellow(`${of.join(" ")} not enforced here`) : text;
  });
  const hits = names
    .filter((name) => (limits[name].hits ?? 0) > 0)
    .map((name) => style.yellow(`${name} met ${limits[name].hits}×`));
  const seccomp = isolation.seccomp ? "seccomp" : style.yellow("no seccomp");
  return `${style.bold("policy")}  network ${network}, ${seccomp}, host uid ${isolation.hostUid ?? "unknown"}\n  ${[...parts, ...hits].join(style.dim(" · "))}`;
}

export function workspace({ workspace: kept, paths }: RunResult, style: Style): string {
  const where = paths ? `${oneLine(paths.workspace, 300)}/out` : "";
  const version = kept.version === null ? "" : style.dim(` as version ${oneLine(kept.version)}`);
  const line = kept.synced
    ? `kept in ${where}${version}`
    : style.yellow(`not kept: ${oneLine(kept.reason ?? "", 500)}`);
  const log = paths ? `\n  ${style.dim(`logs in ${oneLine(paths.sandbox, 300)}/out/logs`)}` : "";
  return `${style.bold("workspace")}  ${line}${log}`;
}

function isMet({ status, optional }: Artifact): boolean {
  return status === "satisfied" || (status === "missing" && optional === true);
}

function section(title: string, body: string, style: Style): string {
  return `${style.bold(title)}\n${body}`;
}

/** Columns as wide as their widest cell; colours take no room. */
function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ""))));
  return rows
    .map((row) =>
      `  ${row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell))).join("  ")}`.trimEnd(),
    )
    .join("\n");
}

const COLOUR_CODES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
const width = (cell: string): number => [...cell.replace(COLOUR_CODES, "")].length;

function more(total: number, shown: number, style: Style): string {
  return total > shown ? `\n  ${style.dim(`… and ${total - shown} more`)}` : "";
}

function tail(text: string): string[] {
  return text.trimEnd().split("\n").slice(-MAX_LOG_LINES);
}

function grouped<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
