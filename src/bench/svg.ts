// The report as one picture that needs nothing else: bars, in the reader's light or dark.
import { groupsOf, HOW_TO_READ, labelOf, milliseconds, rate, times } from "./figures.js";
import type { BenchReport, BenchRow } from "./report.js";

const WIDTH = 880;
const PAD = 20;
const LABEL = 230;
const FIGURES = 190;
const BAR = WIDTH - 2 * PAD - LABEL - FIGURES;
const ROW = 24;
const THICK = 14;

/** Colours by what they are for; a reader who cannot tell them apart has the labels. */
const STYLE = `
:root, svg { --ground: #ffffff; --ink: #1f2328; --faint: #6e7781; --bare: #8c959f; --cold: #3b7dd8; --warm: #d9822b; }
@media (prefers-color-scheme: dark) {
  :root, svg { --ground: #0d1117; --ink: #e6edf3; --faint: #9198a1; --bare: #6e7681; --cold: #6ea8fe; --warm: #f0a35e; }
}
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .faint { fill: var(--faint); font-size: 12px; }
svg .head { font-weight: 600; }
svg .ground { fill: var(--ground); }
svg .tail { opacity: 0.35; }
svg .bare { fill: var(--bare); } svg .cold { fill: var(--cold); } svg .warm { fill: var(--warm); }
`;

interface Bar {
  readonly row: BenchRow;
  readonly value: number;
  /** Where the bar ends faintly; the value itself where there is nothing more to show. */
  readonly tail: number;
  readonly figure: string;
}

/** A whole SVG document. */
export function renderSvg(report: BenchReport): string {
  const parts: string[] = [];
  let y = PAD;
  const line = (text: string, look: string) => {
    y += ROW;
    parts.push(`<text x="${PAD}" y="${y - 7}" class="${look}">${escapeXml(text)}</text>`);
  };
  for (const { title, rows } of groupsOf(report)) {
    for (const { name, bars } of chartsOf(rows)) {
      line(`${title}: ${name}`, "head");
      const most = Math.max(...bars.map(({ tail }) => tail));
      for (const bar of bars) {
        parts.push(drawBar(bar, y, most));
        y += ROW;
      }
      y += ROW / 2;
    }
  }
  line(HOW_TO_READ, "faint");
  for (const warning of report.warnings) line(`! ${warning}`, "faint");
  const height = y + PAD;
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">
<title>iso-runtime bench</title>
<style>${STYLE}</style>
<rect class="ground" width="100%" height="100%"/>
${parts.join("\n")}
</svg>
`;
}

function chartsOf(rows: readonly BenchRow[]): { name: string; bars: Bar[] }[] {
  const withRatio = (figure: string, ratio: number | undefined) =>
    ratio === undefined ? figure : `${figure}, ${times(ratio)}`;
  return [
    {
      name: "latency, p50 and (faint) p95",
      bars: rows.map((row) => {
        const { p50, p95 } = row.latencyMs;
        return { row, value: p50, tail: p95, figure: withRatio(milliseconds(p50), row.toBare?.p50) };
      }),
    },
    {
      name: "throughput",
      bars: rows.map((row) => {
        const value = row.runsPerSecond;
        return { row, value, tail: value, figure: withRatio(rate(value), row.toBare?.runsPerSecond) };
      }),
    },
  ];
}

function drawBar({ row, value, tail, figure }: Bar, y: number, most: number): string {
  const long = (amount: number) => Math.max(1, (amount / most) * BAR).toFixed(1);
  const [x, top, text] = [PAD + LABEL, y + (ROW - THICK) / 2, y + ROW - 8];
  const look = row.start ?? "bare";
  return [
    `<text x="${PAD}" y="${text}">${escapeXml(labelOf(row))}</text>`,
    `<rect class="${look} tail" x="${x}" y="${top}" width="${long(tail)}" height="${THICK}"/>`,
    `<rect class="${look}" x="${x}" y="${top}" width="${long(value)}" height="${THICK}"/>`,
    `<text x="${WIDTH - PAD}" y="${text}" text-anchor="end">${escapeXml(figure)}</text>`,
  ].join("\n");
}

/** For text and for attributes, in XML and in HTML; what XML has no way to write is shown as missing. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\p{Surrogate}]/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
