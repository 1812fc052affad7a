// `iso-runtime bench`: how long a run takes on this host, beside a bare interpreter, for people and for machines.
import { renderHtml } from "../bench/html.js";
import type { BenchReport } from "../bench/report.js";
import { runBench } from "../bench/run-bench.js";
import { renderSvg } from "../bench/svg.js";
import { processEnvironment } from "../settings/environment.js";
import { renderBench } from "./bench-bars.js";
import { writeReport } from "./bench-files.js";
import { type BenchFlags, benchOptions } from "./bench-flags.js";
import { writeOut } from "./documents.js";
import { styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

const ERASE_LINE = "\r\x1b[K";
const DEFAULT_COLUMNS = 80;

/** 0 when all was measured; throws where no sandbox can be had, where a run does not succeed, and for what is wrong in the flags. */
export async function benchCommand(flags: BenchFlags, version: string, signal: AbortSignal): Promise<number> {
  const report = await orFault(flags.json, () => measure(flags, version, signal));
  if (flags.json) await writeOut(`${JSON.stringify(report)}\n`);
  else await writeOut(renderBench(report, styleFor(process.stdout, flags.color), columns()));
  return 0;
}

async function measure(flags: BenchFlags, version: string, signal: AbortSignal): Promise<BenchReport> {
  const options = benchOptions(flags);
  let report: BenchReport;
  try {
    report = await runBench({ ...options, version, signal, onTurn: tellProgress });
  } finally {
    if (process.stderr.isTTY) process.stderr.write(ERASE_LINE);
  }
  if (flags.html !== undefined) writeReport(flags.html, renderHtml(report));
  if (flags.svg !== undefined) writeReport(flags.svg, renderSvg(report));
  return report;
}

/** One line that is written over; where nobody watches, none. */
function tellProgress(done: number, all: number): void {
  if (process.stderr.isTTY) process.stderr.write(`${ERASE_LINE}turn ${done} of ${all}`);
}

function columns(): number {
  return process.stdout.columns ?? (Number(processEnvironment().env.COLUMNS) || DEFAULT_COLUMNS);
}
