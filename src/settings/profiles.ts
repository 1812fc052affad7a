// Profiles as people write them, in config files and bundles, made into what backends read. Every mistake names the key and lists what exists.
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { DEFAULT_LIMITS, GiB, KiB, LIMITS, type LimitName, type Limits, MiB } from "../model/limits.js";
import { sayIssue } from "../model/say-issue.js";
import { DEFAULT_IMAGE, type Profile } from "../sandbox/profile.js";

const UNITS: Record<string, number> = {
  "": 1,
  B: 1,
  KiB,
  MiB,
  GiB,
  K: KiB,
  M: MiB,
  G: GiB,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
};
const SIZE = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/;
/** What an engine takes as one; nothing that its address could be bent with. */
const IMAGE_NAME = /^[a-zA-Z0-9][\w.-]*(?:[:/@][a-zA-Z0-9][\w.-]*)*$/;
const RUNTIME_NAME = /^[a-zA-Z0-9][\w.-]*$/;
const RESERVED_ENV = /^(OUTPUT_DIR|WORKDIR|.*_ID|PATH|PYTHON.*|LD_.*)$/;

const bounded = (name: LimitName, factor = 1) =>
  z
    .number()
    .min(LIMITS[name].min / factor)
    .max(LIMITS[name].max / factor);

const bytes = (name: LimitName) =>
  z
    .union([z.number(), z.string()], { error: 'must be a number of bytes, or a text like "512MiB"' })
    .transform((value, context) => {
      const { min, max } = LIMITS[name];
      const size = typeof value === "number" ? value : parseSize(value);
      if (size !== null && Number.isInteger(size) && size >= min && size <= max) return size;
      context.addIssue({
        code: "custom",
        message: `must be between ${min} and ${max} bytes, as a number or like "512MiB"`,
      });
      return z.NEVER;
    });

export const ProfileConfig = z.strictObject({
  backend: z.string().optional(),
  image: z.string().max(512).regex(IMAGE_NAME, "must be an image's name, like python:3.12-slim").optional(),
  runtime: z.string().max(128).regex(RUNTIME_NAME, "must be a name the engine knows, like runsc").optional(),
  python: z.string().min(1).max(4096).optional(),
  network: z.literal("none", { error: 'must be "none", the only network policy today' }).optional(),
  cpus: bounded("cpus").optional(),
  memory: bytes("memory").optional(),
  processes: bounded("processes").int().optional(),
  /** Seconds; fractions allowed. */
  timeout: bounded("timeout", 1000).optional(),
  disk: bytes("disk").optional(),
  files: bounded("files").int().optional(),
  output: bytes("output").optional(),
  cwd: z.enum(["work", "out"]).optional(),
  env: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a name of letters, digits and _")
        .refine((name) => !RESERVED_ENV.test(name), "is reserved (OUTPUT_DIR, WORKDIR, *_ID, PATH, PYTHON*, LD_*)"),
      z.string(),
    )
    .optional(),
  packages: z.array(z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, "must be the name of a distribution")).optional(),
  preimports: z
    .array(
      z
        .string()
        .regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, "must be the name of a module")
        .max(200),
    )
    .max(100)
    .optional(),
  require: z.array(z.string().max(128)).optional(),
});
export type ProfileConfig = z.input<typeof ProfileConfig>;

/** Bytes of "512MiB", "1.5 GB", "1000"; null where it says no size. */
export function parseSize(text: string): number | null {
  const [, digits, unit] = SIZE.exec(text.trim()) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit];
  return digits === undefined || factor === undefined ? null : Math.round(Number(digits) * factor);
}

export const BUILTIN_PROFILES: readonly Profile[] = [builtin("default", "auto"), builtin("docker", "docker")];

/** The profile `name` with what `config` says of it; what it does not say stays as `base` has it. */
export function makeProfile(name: string, config: unknown, base: Profile, source: string): Profile {
  const parsed = ProfileConfig.safeParse(config, { error: sayIssue });
  if (!parsed.success) throw configError(parsed.error, source, ["profiles", name], Object.keys(ProfileConfig.shape));
  const { cpus, memory, processes, timeout, disk, files, output, ...own } = parsed.data;
  const given = {
    cpus,
    memory,
    processes,
    disk,
    files,
    output,
    timeout: timeout === undefined ? undefined : Math.round(timeout * 1000),
  };
  const limits: Limits = { ...base.limits, ...withoutUndefined(given) };
  return {
    ...base,
    name,
    limits,
    ...withoutUndefined(own),
  };
}

/** A sentence from zod's first issue: file, key, what it must be, what there is. */
export function configError(error: z.ZodError, source: string, path: string[], known: string[]): IsoError {
  const issue = error.issues[0];
  const extra = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = [...path, ...(issue?.path ?? []).map(String), ...extra].join(".");
  const what =
    extra.length > 0
      ? "is not a key here"
      : issue?.code === "invalid_key"
        ? (issue.issues[0]?.message ?? "")
        : (issue?.message ?? "");
  const hint = extra.length > 0 ? { hint: `There are: ${known.join(", ")}.` } : {};
  return new IsoError("config_invalid", `${source}: ${field === "" ? "it" : `${field}:`} ${what}`, {
    field,
    ...hint,
  });
}

function builtin(name: string, backend: string): Profile {
  return {
    ...{
      name,
      backend,
      image: DEFAULT_IMAGE,
      runtime: null,
      python: null,
      network: "none",
      limits: DEFAULT_LIMITS,
      cwd: "work",
    },
    ...{ env: {}, packages: [], preimports: [], require: [] },
  };
}

/** The same object without the keys nobody gave. */
function withoutUndefined<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
