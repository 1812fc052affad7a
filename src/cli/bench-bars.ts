// What `bench` shows in a terminal: a bar for each side, as wide as the terminal allows, and its figures with their ratios below.
import { aboutMachine, groupsOf, HOW_TO_READ, labelOf, milliseconds, rate, times } from "../bench/figures.js";
import type { BenchReport, BenchRow } from "../bench/report.js";
import { oneLine } from "./report/printable.js";
import type { Style } from "./report/style.js";

const NARROWEST = 40;
const WIDEST = 120;
const SHORTEST_BAR = 8;
const FIGURE_COLUMNS = 22;
const INDENT = 2;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const BLOCK = "█";
const TAIL = "░";

/** Bars in `columns` of a terminal; what the machine says of itself may be wider. */
export function renderBench(report: BenchReport, style: Style, columns: number): string {
  const width = Math.min(WIDEST, Math.max(NARROWEST, columns));
  const groups = groupsOf(report).map(({ title, rows }) =>
    [style.bold(title), ...rows.flatMap((row) => renderRow(row, rows, style, width))].join("\n"),
  );
  const notes = [
    ...report.skipped.map(
      ({ backend, reason }) => `${style.yellow("–")} ${oneLine(backend, 60)} was left out: ${oneLine(reason, 500)}`,
    ),
    ...report.warnings.map((warning) => `${style.yellow("!")} ${oneLine(warning, 500)}`),
  ];
  const about = [...aboutMachine(report), HOW_TO_READ].map((line) => style.dim(oneLine(line, 500)));
  const parts = [...groups, ...(notes.length > 0 ? [notes.join("\n")] : []), about.join("\n")];
  return `${parts.join("\n\n")}\n`;
}

function renderRow(row: BenchRow, rows: readonly BenchRow[], style: Style, width: number): string[] {
  const { latencyMs, runsPerSecond, toBare } = row;
  const label = oneLine(labelOf(row), Math.max(12, width - INDENT - SHORTEST_BAR - FIGURE_COLUMNS - 3));
  const labels = Math.max(...rows.map((each) => labelOf(each).length));
  const room = Math.min(labels, width - INDENT - SHORTEST_BAR - FIGURE_COLUMNS);
  const columns = Math.max(SHORTEST_BAR, width - INDENT - room - FIGURE_COLUMNS - 2);
  const most = Math.max(...rows.map((each) => each.latencyMs.p95));
  const drawn = drawBar(latencyMs.p50, latencyMs.p95, most, columns);
  const colour = row.start === null ? style.dim : row.start === "warm" ? style.green : style.cyan;
  const beside = (text: string, ratio: number | undefined) => (ratio === undefined ? text : `${text} ${times(ratio)}`);
  const figures = [
    beside(`p95 ${milliseconds(latencyMs.p95)}`, toBare?.p95),
    beside(`p99 ${milliseconds(latencyMs.p99)}`, toBare?.p99),
    beside(rate(runsPerSecond), toBare?.runsPerSecond),
  ];
  const first = `${" ".repeat(INDENT)}${label.padEnd(room)} ${colour(drawn)} ${beside(milliseconds(latencyMs.p50), toBare?.p50)}`;
  return [first, ...wrapped(figures, width - 2 * INDENT).map((line) => `${" ".repeat(2 * INDENT)}${style.dim(line)}`)];
}

/** Exactly `columns` wide: full up to `value`, faint up to `tail`, where `most` is the whole width. */
export function drawBar(value: number, tail: number, most: number, columns: number): string {
  const inEighths = (amount: number) => Math.min(columns * 8, Math.max(0, Math.round((amount / most) * columns * 8)));
  // What was measured is never shown as nothing.
  const eighths = Math.max(1, inEighths(value));
  const full = `${BLOCK.repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8]}`;
  const faint = Math.max(0, Math.round(inEighths(tail) / 8) - full.length);
  return `${full}${TAIL.repeat(faint)}`.padEnd(columns);
}

/** Parts side by side, as many as fit into a line. */
function wrapped(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 3 + part.length <= width) lines[lines.length - 1] = `${last}   ${part}`;
    else lines.push(part);
  }
  return lines;
}
