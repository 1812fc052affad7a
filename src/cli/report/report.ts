// The report of a run for people: what happened, what is there, what to do. Sections with nothing in them are left out.
import type { RunResult } from "../../model/result.js";
import { oneLine, printable } from "./printable.js";
import { changes, contract, files, logs, policy, timings, toolCalls, workspace } from "./sections.js";
import type { Style } from "./style.js";

const MAX_TRACEBACK_LINES = 30;

export function renderReport(result: RunResult, style: Style, followups: { id: string; label: string }[] = []): string {
  const sections = [contract, changes, toolCalls, logs, files, timings, policy, workspace].map((section) =>
    section(result, style),
  );
  const next = followups.length > 0 && result.scenario !== null ? nextScenarios(result.scenario, followups, style) : "";
  return `\n${renderEnding(result, style)}${[...sections, next]
    .filter(Boolean)
    .map((text) => `\n${text}\n`)
    .join("")}`;
}

/** The ending line, and the error with its way out. */
export function renderEnding(result: RunResult, style: Style): string {
  const lines = [endingLine(result, style)];
  const { error } = result;
  if (error) {
    lines.push(`  ${oneLine(error.message, 2000)}`);
    if (error.limit !== undefined) lines.push(style.dim(`  limit: ${oneLine(error.limit)}`));
    if (error.exception) lines.push(...traceback(error.exception.traceback, style));
    if (error.hint !== undefined) lines.push(`  ${style.cyan("→")} ${oneLine(error.hint, 1000)}`);
  }
  return `${lines.join("\n")}\n`;
}

function endingLine(
  { status, error, timings: times, sandbox, exitCode, signal, runId }: RunResult,
  style: Style,
): string {
  const looks = {
    succeeded: style.green(style.bold("✓ succeeded")),
    failed: style.red(style.bold("✗ failed")),
    timed_out: style.yellow(style.bold("◷ timed out")),
    cancelled: style.yellow(style.bold("■ cancelled")),
    rejected: style.red(style.bold("✗ rejected")),
  };
  const facts = [
    error && error.code !== status ? style.bold(error.code) : null,
    exitCode === null || exitCode === 0 ? null : `exit code ${exitCode}`,
    signal === null ? null : oneLine(signal),
    times && `${(times.totalMs / 1000).toFixed(2)} s`,
    sandbox && `${sandbox.backend}, profile ${oneLine(sandbox.profile)}`,
    sandbox && `Python ${oneLine(sandbox.python.version)}`,
    sandbox && style.dim(runId),
  ];
  return [looks[status], ...facts.filter((fact) => fact !== null && fact !== "")].join(style.dim(" · "));
}

function traceback(text: string, style: Style): string[] {
  const lines = printable(text).trimEnd().split("\n");
  if (lines.length === 1 && lines[0] === "") return [];
  const half = MAX_TRACEBACK_LINES / 2;
  const cut = lines.length > MAX_TRACEBACK_LINES;
  const shown = cut
    ? [...lines.slice(0, half), `  … ${lines.length - 2 * half} lines more …`, ...lines.slice(-half)]
    : lines;
  return shown.map((line) => `  ${line.includes("main.py") ? line : style.dim(line)}`);
}

function nextScenarios(current: string, followups: { id: string; label: string }[], style: Style): string {
  const others = followups.filter(({ id }) => id !== current).slice(0, 3);
  const list = others.map(({ id, label }) => `${id}. ${oneLine(label, 60)}`).join(style.dim(" · "));
  return `${style.dim("try next")}  ${list}`;
}
