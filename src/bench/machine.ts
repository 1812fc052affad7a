// The machine that a benchmark ran on: figures of two machines compare badly, and a reader must see that there were two.
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import type { Interpreter } from "../sandbox/linux/interpreter.js";

export interface Machine {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly arch: string;
  readonly node: string;
  readonly python: { readonly path: string; readonly version: string };
  readonly isoRuntime: string;
  /** What the backends that were measured say of themselves. */
  readonly engines: Readonly<Record<string, string>>;
}

export function describeMachine(
  { executable, version }: Interpreter,
  isoRuntime: string,
  engines: Readonly<Record<string, string>>,
): Machine {
  return {
    cpus: availableParallelism(),
    cpuModel: cpus()[0]?.model.trim() || "unknown",
    memoryBytes: totalmem(),
    ...{ kernel: release(), arch: process.arch, node: process.version },
    python: { path: executable, version },
    ...{ isoRuntime, engines },
  };
}

/** Over the last minute. */
export const currentLoad = (): number => loadavg()[0] ?? 0;
