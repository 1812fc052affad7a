// What many samples come down to. A percentile is by nearest rank: the smallest sample that at least so many of all samples do not
// exceed. It is always one that was measured, never one between two.

export interface Summary {
  readonly samples: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** `share` is in (0, 1]. Throws RangeError where there is no sample. */
export function percentile(sorted: readonly number[], share: number): number {
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new RangeError("no samples");
  return found;
}

/** In the unit of the samples. Throws RangeError where there is none. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) => percentile(sorted, share);
  return { samples: sorted.length, min: at(Number.MIN_VALUE), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
