// The flags of `bench` as commander gives them, made into its options. A mistake names its flag.
import { resolve } from "node:path";
import { type BenchOptions, BOUNDS, STARTS, type Start } from "../bench/options.js";
import { IsoError } from "../model/errors.js";
import { BACKEND_NAMES } from "../sandbox/backends.js";
import { checkPlace } from "./bench-files.js";

export interface BenchFlags {
  backend?: string;
  start?: string;
  concurrency?: string;
  files?: string;
  rounds?: string;
  code?: string;
  profile?: string;
  config?: string;
  html?: string;
  svg?: string;
  json?: boolean;
  color: boolean;
}

type Checked = Omit<BenchOptions, "version" | "signal" | "onTurn">;

/** Throws IsoError `invalid_request` that names the flag. */
export function benchOptions(flags: BenchFlags): Checked {
  const { backend, profile, config, html, svg, code } = flags;
  for (const name of ["profile", "config", "html", "svg"] as const)
    if (flags[name] === "") throw usage(name, "it must not be empty", "Name one, or leave it out.");
  const backends = backend === undefined || backend === "auto" ? null : words("backend", backend, BACKEND_NAMES);
  const options: Checked = {
    backends,
    starts: flags.start === undefined ? STARTS : words<Start>("start", flags.start, STARTS),
    concurrency: numbers("concurrency", flags.concurrency ?? "1,4"),
    files: numbers("files", flags.files ?? "0,1000"),
    rounds: oneNumber("rounds", flags.rounds ?? "20"),
    code: code ?? null,
    ...(profile !== undefined && { profile }),
    ...(config !== undefined && { config }),
  };
  if (html !== undefined && svg !== undefined && resolve(html) === resolve(svg))
    throw usage("svg", "it is the file of --html", "Name another one.");
  if (html !== undefined) checkPlace(html, "--html");
  if (svg !== undefined) checkPlace(svg, "--svg");
  return options;
}

function words<T extends string>(flag: string, text: string, allowed: readonly T[]): T[] {
  return parts(flag, text).map((word) => {
    const found = allowed.find((each) => each === word);
    if (found === undefined)
      throw usage(flag, `there is no "${word}"`, `There are: ${allowed.join(", ")}, with commas between several.`);
    return found;
  });
}

function numbers(flag: keyof typeof BOUNDS, text: string): number[] {
  return parts(flag, text).map((part) => oneNumber(flag, part));
}

function oneNumber(flag: keyof typeof BOUNDS, text: string): number {
  const { min, max } = BOUNDS[flag];
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const several = flag === "rounds" ? "" : ", with commas between several";
  throw usage(flag, `"${text}" is not one`, `Give whole numbers between ${min} and ${max}${several}.`);
}

/** Each once, in the order they were given. */
function parts(flag: string, text: string): string[] {
  const found = text.split(",").map((part) => part.trim());
  if (found.includes("")) throw usage(flag, "it must not be empty", "Give one, or several with commas between them.");
  return [...new Set(found)];
}

function usage(flag: string, why: string, hint: string): IsoError {
  return new IsoError("invalid_request", `--${flag}: ${why}`, { field: `--${flag}`, hint });
}
