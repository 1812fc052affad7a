// The report as one page that loads nothing: the picture, every figure with its ratio, and the machine.
import { aboutMachine, groupsOf, HOW_TO_READ, labelOf, milliseconds, rate, times } from "./figures.js";
import type { BenchReport, BenchRow } from "./report.js";
import { escapeXml, renderSvg } from "./svg.js";

const STYLE = `
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 920px; margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.2rem 0.7rem; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; }
.faint { color: var(--faint); }
`;

/** A whole HTML document. */
export function renderHtml(report: BenchReport): string {
  const { measuredAt, warnings, skipped } = report;
  const list = (lines: readonly string[]) =>
    lines.length === 0 ? "" : `<ul>${lines.map((line) => `<li>${escapeXml(line)}</li>`).join("")}</ul>`;
  const tables = groupsOf(report).map(({ title, rows }) => `<h2>${escapeXml(title)}</h2>\n${table(rows)}`);
  const leftOut = skipped.map(({ backend, reason }) => `${backend} was left out: ${reason}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>iso-runtime bench</title>
<style>${STYLE}</style>
</head>
<body>
<h1>iso-runtime bench</h1>
${list(warnings)}
${list(leftOut)}
${renderSvg(report)}
${tables.join("\n")}
<p class="faint">${escapeXml(HOW_TO_READ)}</p>
<h2>machine</h2>
${list([`measured at ${measuredAt}`, ...aboutMachine(report)])}
</body>
</html>
`;
}

function table(rows: readonly BenchRow[]): string {
  const head = ["", "p50", "x", "p95", "x", "p99", "x", "throughput", "x", "samples"];
  const body = rows.map((row) => {
    const { latencyMs, toBare } = row;
    const ratio = (value: number | undefined) => (value === undefined ? "" : times(value));
    return [
      ...[labelOf(row), milliseconds(latencyMs.p50), ratio(toBare?.p50), milliseconds(latencyMs.p95)],
      ...[ratio(toBare?.p95), milliseconds(latencyMs.p99), ratio(toBare?.p99)],
      ...[rate(row.runsPerSecond), ratio(toBare?.runsPerSecond), String(latencyMs.samples)],
    ];
  });
  const cells = (kind: string, row: string[]) => row.map((cell) => `<${kind}>${escapeXml(cell)}</${kind}>`).join("");
  const lines = [`<tr>${cells("th", head)}</tr>`, ...body.map((row) => `<tr>${cells("td", row)}</tr>`)];
  return `<table>\n${lines.join("\n")}\n</table>`;
}
