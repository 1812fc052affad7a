// What a test or the benchmark may change of a runtime and nobody else: layers that are left out, and the runner's folder. It is
// handed down in code, and the entrance of the library does not lead here.
import { DEFAULT_LIMITS, LIMITS, type LimitName, type Limits } from "../model/limits.js";
import { type Layer, NOTHING, type Without } from "../sandbox/layers.js";
import type { Job } from "../sandbox/protocol/frames.js";

export interface Seams {
  readonly without?: Without;
  /** Folder that holds another `iso_runner`. */
  readonly runnerDir?: string;
}

/** Limits the host itself keeps. */
const WATCHED: readonly [Layer, LimitName][] = [
  ["disk-watch", "disk"],
  ["files-watch", "files"],
  ["output-cap", "output"],
];
/** More than any attack asks for, and no more than a kernel grants. */
const MANY_FILES = 4 * DEFAULT_LIMITS.openFiles;

/** What the host watches for while a program runs. */
export function watched(limits: Limits, { without = NOTHING }: Seams): Limits {
  const lifted = WATCHED.filter(([layer]) => without.has(layer)).map(([, name]) => [name, LIMITS[name].max]);
  return lifted.length === 0 ? limits : { ...limits, ...Object.fromEntries(lifted) };
}

export function deadlineOf(timeoutMs: number, { without = NOTHING }: Seams): number {
  return without.has("deadline") ? LIMITS.timeout.max : timeoutMs;
}

/** A job whose program sets no such limit. */
export function unlimited(job: Job, { without = NOTHING }: Seams): Job {
  if (without.size === 0) return job;
  const { limits } = job;
  return {
    ...job,
    limits: {
      openFiles: without.has("open-files") ? MANY_FILES : limits.openFiles,
      fileSize: without.has("file-size") ? LIMITS.fileSize.max : limits.fileSize,
      processes: without.has("process-rlimit") ? null : limits.processes,
      addressSpace: without.has("memory-rlimit") ? null : limits.addressSpace,
    },
  };
}
