// The flags of `doctor`, and which of them go together.
import { IsoError } from "../model/errors.js";
import { orFault } from "./usage-error.js";

export interface AttackFlags {
  attack?: boolean;
  backend?: string;
  config?: string;
  profile?: string;
  require?: string[];
  fix?: boolean;
  json?: boolean;
}

/** Throws IsoError `invalid_request` where flags are given that do not go together. */
export async function checkAttackFlags(flags: AttackFlags): Promise<void> {
  await orFault(flags.json, async () => check(flags));
}

function check({ attack: wanted, fix, ...flags }: AttackFlags): void {
  const alone = (["profile", "require"] as const).find((name) => flags[name] !== undefined);
  if (!wanted && alone !== undefined)
    throw usage(alone, "it says how attacks are run", "Add --attack, or leave it out.");
  if (wanted && fix)
    throw usage("fix", "it mends what attacks would find", "Run `iso-runtime doctor --fix` first, then --attack.");
  for (const name of ["backend", "config", "profile"] as const)
    if (flags[name] === "") throw usage(name, "it must not be empty", "Name one, or leave it out.");
}

function usage(flag: string, why: string, hint: string): IsoError {
  return new IsoError("invalid_request", `--${flag}: ${why}`, { field: `--${flag}`, hint });
}
