// How rows and figures are named and written, the same in each picture.
import type { BenchReport, BenchRow } from "./report.js";

export interface Group {
  readonly concurrency: number;
  readonly title: string;
  readonly rows: readonly BenchRow[];
}

/** One for each number of runs at once: rows of different ones have no baseline in common. */
export function groupsOf({ rows }: Pick<BenchReport, "rows">): Group[] {
  const concurrencies = [...new Set(rows.map(({ concurrency }) => concurrency))];
  return concurrencies.map((concurrency) => ({
    concurrency,
    title: concurrency === 1 ? "one run at a time" : `${concurrency} runs at once, each of a user of its own`,
    rows: rows.filter((row) => row.concurrency === concurrency),
  }));
}

export function labelOf({ backend, start, files }: Pick<BenchRow, "backend" | "start" | "files">): string {
  if (backend === null) return "bare python3";
  const size = files === 0 ? "empty" : `${wholeNumber(files ?? 0)} files`;
  return `${backend}, ${start}, ${size}`;
}

/** Three digits that say something. */
function threeDigits(value: number): string {
  if (value >= 1000) return wholeNumber(Math.round(value));
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export const milliseconds = (value: number): string => `${threeDigits(value)} ms`;
export const rate = (value: number): string => `${threeDigits(value)} runs/s`;
export const times = (ratio: number): string => `${threeDigits(ratio)} x`;

export function aboutMachine({ machine, load, rounds, program }: BenchReport): string[] {
  const { cpus, cpuModel, kernel, arch, node, python, isoRuntime, memoryBytes } = machine;
  const engines = Object.entries(machine.engines).map(([name, says]) => `${name}: ${says}`);
  return [
    `${program}; ${wholeNumber(rounds)} rounds, all sides in turns`,
    `${cpus} processors (${cpuModel}), ${Math.round(memoryBytes / 2 ** 30)} GiB, Linux ${kernel} ${arch}, load ${load.before.toFixed(1)} before and ${load.after.toFixed(1)} after`,
    `iso-runtime ${isoRuntime}, Node ${node}, python ${python.version} (${python.path})`,
    ...engines,
  ];
}

/** What a reader must know to read any of the pictures. */
export const HOW_TO_READ =
  "x: divided by the same figure of `python3 -I -c pass`, as many at once, in the same run. Percentiles are by nearest rank.";

function wholeNumber(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
