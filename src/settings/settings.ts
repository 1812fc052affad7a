// Settings: flags beat environment, which beats a config file, which beats defaults.
import { isUtf8 } from "node:buffer";
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, realpathSync } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { sayIssue } from "../model/say-issue.js";
import type { VersionLimits } from "../model/versions.js";
import type { Profile } from "../sandbox/profile.js";
import type { Environment } from "./environment.js";
import { BUILTIN_PROFILES, configError, makeProfile, ProfileConfig } from "./profiles.js";
import { RedactionConfig } from "./redaction.js";
import { chooseRoots, type RootFlags } from "./roots.js";
import { chooseVersions, VersionsConfig } from "./versions.js";

const CONFIG_NAME = "iso-runtime.config.json";
const DEFAULT_SANDBOX_UID = 10_001;
/** `nobody`: other services of a host share it. */
const NOBODY = 65_534;
const MAX_SANDBOX_UIDS = 65_536;
const MAX_CONFIG_BYTES = 1024 * 1024;
/** Keys a config file that was merely found in the current folder may set. */
const FOUND_CONFIG_KEYS = [
  "cpus",
  "memory",
  "processes",
  "timeout",
  "disk",
  "files",
  "output",
  "cwd",
  "network",
  "require",
];

const Config = z.strictObject({
  defaultProfile: z.string().optional(),
  profiles: z.record(z.string().min(1).max(128), z.unknown()).optional(),
  versions: VersionsConfig.optional(),
  redaction: RedactionConfig.optional(),
  receipts: z
    .strictObject({ key: z.string().refine((path) => isAbsolute(path), "must be an absolute path") })
    .optional(),
});

export interface ConfigInput {
  defaultProfile?: string;
  profiles?: Record<string, z.input<typeof ProfileConfig>>;
  versions?: z.input<typeof VersionsConfig>;
  /** The ed25519 private key, PEM, that signs receipts. */
  receipts?: { key: string };
  /** Names, in any case, whose values are secrets beside those that are known for it. */
  redaction?: z.input<typeof RedactionConfig>;
}

export interface SettingsFlags extends RootFlags {
  backend?: string | undefined;
  profile?: string | undefined;
  tools?: string | undefined;
  bundle?: string | undefined;
  python?: string | undefined;
  /** A config file, or its content. */
  config?: string | ConfigInput | undefined;
}

export interface SettingsInput extends Environment {
  flags: SettingsFlags;
}

export interface Settings {
  readonly workspaceRoot: string;
  readonly sandboxRoot: string;
  /** What replaces `auto`, and who said so. */
  readonly backend: { readonly name: string; readonly from: "flag" | "environment" | "default" };
  readonly profiles: Map<string, Profile>;
  readonly defaultProfile: string;
  readonly versions: VersionLimits;
  readonly toolsDescriptor: string | null;
  readonly bundle: string | null;
  readonly python: string | null;
  readonly searchPath: string;
  readonly dockerHost: string | null;
  readonly hostPathMap: readonly { from: string; to: string }[];
  /** Owns the files of workspaces where the caller is root. */
  readonly sandboxUid: number;
  /** A private key that signs receipts; null: the one in the state folder, where there is one. */
  readonly receiptsKey: string | null;
  /** Names whose values are secrets, beside those that are known for it. */
  readonly secretNames: readonly string[];
  /** Whom programs run as there, each as another one; null for a range of ours. */
  readonly sandboxUids: { readonly first: number; readonly last: number } | null;
  /** What a person should know of how these settings came to be. */
  readonly notes: string[];
}

/** Throws IsoError `config_invalid` or `invalid_request` naming the flag, variable or key at fault. */
export function loadSettings({ flags, env, cwd }: SettingsInput): Settings {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(cwd, path));
  const of = (flag: string | undefined, variable: string): string | null => flag ?? (env[variable] || null);
  const { workspaceRoot, sandboxRoot } = chooseRoots(flags, { env, cwd });
  const notes: string[] = [];

  const { config, source, trusted } = readConfig(flags.config, cwd, [workspaceRoot, sandboxRoot]);
  if (source) notes.push(`config: ${source}${trusted ? "" : " (found in the current folder: limits only)"}`);
  const profiles = new Map(BUILTIN_PROFILES.map((profile) => [profile.name, profile]));
  addTo(profiles, config.profiles ?? {}, source ?? "config");
  const defaultProfile = of(flags.profile, "ISO_RUNTIME_PROFILE") ?? config.defaultProfile ?? "default";

  const tools = of(flags.tools, "ISO_RUNTIME_TOOLS");
  const python = of(flags.python, "ISO_RUNTIME_PYTHON");
  const receiptsKey = env.ISO_RUNTIME_RECEIPTS_KEY || config.receipts?.key;
  return {
    ...{ workspaceRoot, sandboxRoot, profiles, defaultProfile, notes },
    backend: chooseBackend(flags, env),
    versions: chooseVersions(config.versions ?? {}, env.ISO_RUNTIME_VERSIONS),
    toolsDescriptor: tools === null ? null : at(tools),
    bundle: flags.bundle === undefined ? null : at(flags.bundle),
    python,
    searchPath: env.PATH ?? "",
    dockerHost: env.DOCKER_HOST || null,
    hostPathMap: parsePathMap(env.ISO_RUNTIME_DOCKER_HOST_PATH_MAP ?? ""),
    secretNames: config.redaction?.names ?? [],
    receiptsKey: receiptsKey ? at(receiptsKey) : null,
    sandboxUid: parseUid(env.ISO_RUNTIME_SANDBOX_UID),
    sandboxUids: parseUids(env.ISO_RUNTIME_SANDBOX_UIDS),
  };
}

/** Adds a bundle's profiles; those of the user's own config keep their word over them. */
export function addProfiles(settings: Settings, profiles: Readonly<Record<string, unknown>>, source: string): void {
  const own = new Map(settings.profiles);
  addTo(settings.profiles, profiles, source);
  for (const [name, profile] of own) {
    if (!BUILTIN_PROFILES.includes(profile)) settings.profiles.set(name, profile);
  }
}

/**
 * The profile of a run. One that names a backend keeps it: the environment's backend only replaces `auto`, and a caller's that
 * contradicts it is `invalid_request`.
 */
export function resolveProfile(
  settings: Settings,
  wanted: { profile?: string | undefined; backend?: string | undefined },
  backendNames: readonly string[],
): Profile {
  const name = wanted.profile ?? settings.defaultProfile;
  const profile = settings.profiles.get(name);
  if (!profile) {
    const list = [...settings.profiles.keys()].join(", ");
    throw new IsoError("unknown_profile", `There is no profile "${name.slice(0, 128)}". There are: ${list}`, {
      field: "profile",
    });
  }
  const asked = wanted.backend ?? (settings.backend.from === "flag" ? settings.backend.name : undefined);
  const byDefault = settings.backend.from === "environment" ? settings.backend.name : "auto";
  for (const backend of [asked, profile.backend, byDefault]) {
    if (backend === undefined || backend === "auto" || backendNames.includes(backend)) continue;
    const list = ["auto", ...backendNames].join(", ");
    throw new IsoError(
      "invalid_request",
      `backend: there is no backend "${backend.slice(0, 128)}". There are: ${list}`,
      { field: "backend" },
    );
  }
  if (asked !== undefined && asked !== "auto" && profile.backend !== "auto" && asked !== profile.backend) {
    throw new IsoError("invalid_request", `backend: the profile "${name}" is for ${profile.backend}, not ${asked}`, {
      field: "backend",
      hint: "Leave `backend` out, or choose a profile for that backend.",
    });
  }
  return profile.backend === "auto" ? onBackend(profile, asked ?? byDefault) : profile;
}

/** One object for one choice, so that whoever keeps something of a profile finds it again at the next run. */
function onBackend(profile: Profile, backend: string): Profile {
  const made = chosen.get(profile) ?? new Map<string, Profile>();
  chosen.set(profile, made);
  const found = made.get(backend) ?? { ...profile, backend };
  made.set(backend, found);
  return found;
}

const chosen = new WeakMap<Profile, Map<string, Profile>>();

/** Throws IsoError `config_invalid` for a profile whose backend does not exist, whether a run names it or not. */
export function checkBackends(settings: Settings, backendNames: readonly string[]): void {
  for (const { name, backend } of settings.profiles.values()) {
    if (backend === "auto" || backendNames.includes(backend)) continue;
    const list = ["auto", ...backendNames].join(", ");
    throw new IsoError(
      "config_invalid",
      `profiles.${name}.backend: there is no backend "${backend}". There are: ${list}`,
      {
        field: `profiles.${name}.backend`,
      },
    );
  }
}

function addTo(profiles: Map<string, Profile>, found: Readonly<Record<string, unknown>>, source: string): void {
  const base = profiles.get("default");
  for (const [name, config] of Object.entries(found)) {
    const from = profiles.get(name) ?? base;
    if (from) profiles.set(name, makeProfile(name, config, from, source));
  }
}

function readConfig(given: string | ConfigInput | undefined, cwd: string, roots: string[]) {
  if (typeof given === "object") return { config: parseConfig(given, "config"), source: null, trusted: true };
  const found = join(cwd, CONFIG_NAME);
  if (given === undefined && !existsSync(found)) return { config: parseConfig({}, ""), source: null, trusted: true };
  const file = given === undefined ? found : resolve(cwd, given);
  if (!existsSync(file)) {
    throw new IsoError("config_invalid", `--config: there is no file "${file}"`, { field: "config" });
  }
  refuseBelow(file, roots);
  const config = parseConfig(readJson(file), file);
  const trusted = given !== undefined;
  if (!trusted) refuseMoreThanLimits(config, file);
  return { config, source: file, trusted };
}

function parseConfig(content: unknown, source: string): z.output<typeof Config> {
  const parsed = Config.safeParse(content, { error: sayIssue });
  if (!parsed.success) throw configError(parsed.error, source, [], Object.keys(Config.shape));
  return parsed.data;
}

function readJson(file: string): unknown {
  const text = readBounded(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IsoError("config_invalid", `${file}: it is no JSON: ${error instanceof Error ? error.message : error}`, {
      field: "config",
    });
  }
}

/** The size is asked of the opened file, so that nothing endless is read and nothing is waited for. */
function readBounded(file: string): string {
  const invalid = (what: string) => new IsoError("config_invalid", `${file}: ${what}`, { field: "config" });
  let fd: number | null = null;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw invalid("it is no regular file");
    if (stats.size > MAX_CONFIG_BYTES) throw invalid(`it has more than ${MAX_CONFIG_BYTES} bytes`);
    const bytes = readFileSync(fd);
    if (!isUtf8(bytes)) throw invalid("it is no UTF-8");
    // Some editors begin a file with a mark.
    return bytes.toString().replace(/^\uFEFF/, "");
  } catch (error) {
    if (error instanceof IsoError) throw error;
    throw invalid(`it cannot be read: ${error instanceof Error ? error.message : error}`);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** A program may have written it there. */
function refuseBelow(file: string, roots: string[]): void {
  const real = realpathSync(file);
  const root = roots.find((candidate) =>
    real.startsWith(`${existsSync(candidate) ? realpathSync(candidate) : candidate}${sep}`),
  );
  if (root === undefined) return;
  throw new IsoError(
    "config_invalid",
    `${file}: a config below the root "${root}" is refused: a program may have written it`,
    {
      field: "config",
      hint: "Keep the config outside of the workspace and sandbox roots.",
    },
  );
}

function refuseMoreThanLimits(config: z.output<typeof Config>, file: string): void {
  // Whoever keeps fewer versions drops those that are there.
  if (config.versions !== undefined) throw tooMuch(file, "versions");
  if (config.receipts !== undefined) throw tooMuch(file, "receipts");
  if (config.redaction !== undefined) throw tooMuch(file, "redaction");
  for (const [name, profile] of Object.entries(config.profiles ?? {})) {
    const keys = typeof profile === "object" && profile !== null ? Object.keys(profile) : [];
    const key = keys.find((candidate) => candidate in ProfileConfig.shape && !FOUND_CONFIG_KEYS.includes(candidate));
    if (key === undefined) continue;
    throw tooMuch(file, `profiles.${name}.${key}`);
  }
}

function tooMuch(file: string, field: string): IsoError {
  return new IsoError("config_invalid", `${file}: ${field}: a config found in the current folder may set limits only`, {
    field,
    hint: `Name the file if you trust it: --config ${CONFIG_NAME}`,
  });
}

function chooseBackend(flags: SettingsFlags, env: SettingsInput["env"]): Settings["backend"] {
  if (flags.backend !== undefined) return { name: flags.backend, from: "flag" };
  const name = env.ISO_RUNTIME_BACKEND;
  return name ? { name, from: "environment" } : { name: "auto", from: "default" };
}

/** `/in/container=/on/host`, several separated by commas. */
function parsePathMap(text: string): { from: string; to: string }[] {
  return text
    .split(",")
    .filter((pair) => pair.trim() !== "")
    .map((pair) => {
      const [from, to, ...rest] = pair.trim().split("=");
      if (from?.startsWith("/") && to?.startsWith("/") && rest.length === 0) return { from, to };
      throw new IsoError(
        "config_invalid",
        `ISO_RUNTIME_DOCKER_HOST_PATH_MAP: "${pair}" must be /container/path=/host/path`,
        {
          field: "ISO_RUNTIME_DOCKER_HOST_PATH_MAP",
        },
      );
    });
}

function parseUid(text: string | undefined): number {
  if (!text) return DEFAULT_SANDBOX_UID;
  const uid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (uid > 0 && uid < 2 ** 31 && uid !== NOBODY) return uid;
  throw new IsoError("config_invalid", `ISO_RUNTIME_SANDBOX_UID: "${text}" must be a uid other than 0 and ${NOBODY}`, {
    field: "ISO_RUNTIME_SANDBOX_UID",
    hint: `Leave it out to get ${DEFAULT_SANDBOX_UID}, or choose one nobody else on this host has.`,
  });
}

/** `70000-99999`. Which of them may really be used is found out on the host. */
function parseUids(text: string | undefined): Settings["sandboxUids"] {
  if (!text) return null;
  const [, from = "", to = ""] = /^(\d{1,10})-(\d{1,10})$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (first > 0 && last >= first && last < 2 ** 31 && last - first < MAX_SANDBOX_UIDS) return { first, last };
  throw new IsoError(
    "config_invalid",
    `ISO_RUNTIME_SANDBOX_UIDS: "${text}" must be FIRST-LAST, at most ${MAX_SANDBOX_UIDS} uids above 0`,
    { field: "ISO_RUNTIME_SANDBOX_UIDS", hint: "Leave it out to get a range that hosts seldom use." },
  );
}

/** Puts a variable into this process's environment, for an attack that looks for it; the returned function takes it out again. */
export function plantVariable(name: string, value: string): () => void {
  process.env[name] = value;
  return () => {
    delete process.env[name];
  };
}
