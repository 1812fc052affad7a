// What `iso-runtime bench` measures, and the bounds of it.

export const STARTS = ["cold", "warm"] as const;
/** Cold: the sandbox is booted when it is asked for. Warm: it waits ready. */
export type Start = (typeof STARTS)[number];

/** By option, in whole numbers. */
export const BOUNDS = {
  rounds: { min: 1, max: 10_000 },
  /** No more sandboxes can wait ready. */
  concurrency: { min: 1, max: 64 },
  files: { min: 0, max: 100_000 },
} as const;

export interface BenchOptions {
  /** Backends by name; null: all that work here. */
  readonly backends: readonly string[] | null;
  readonly starts: readonly Start[];
  /** How many runs at once, each of a user of its own. */
  readonly concurrency: readonly number[];
  /** How many files a workspace holds before the first run that is measured. */
  readonly files: readonly number[];
  /** Turns that each side has. */
  readonly rounds: number;
  /** A program to measure; null: the standard one. */
  readonly code: string | null;
  readonly profile?: string;
  readonly config?: string;
  /** Of this package, for the report. */
  readonly version: string;
  readonly signal?: AbortSignal;
  onTurn?(done: number, all: number): void;
}
