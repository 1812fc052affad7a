// A memory limit below what Python needs to start, which every backend tells in the same words.
import { IsoError } from "../model/errors.js";
import type { KernelFacts } from "./backend.js";
import type { Profile } from "./profile.js";

/** Null where the kernel killed nothing of the sandbox for want of memory. */
export function tooLittleMemory(facts: KernelFacts | undefined, profile: Profile, cause: unknown): IsoError | null {
  if ((facts?.oomKills ?? 0) === 0) return null;
  return new IsoError(
    "sandbox_unavailable",
    `The memory limit of ${profile.limits.memory} bytes is too small for Python to start.`,
    { hint: "Raise the profile's `memory`.", cause },
  );
}
