// The flags of `run` as commander gives them, made into a request and the runtime's options. A mistake names its flag.
import { existsSync, readFileSync, statSync } from "node:fs";
import type { RunRequest } from "../harness/request.js";
import type { RuntimeOptions } from "../harness/runtime.js";
import { DURABILITIES, SYNC_MODES } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { ContractEntry } from "../model/files.js";
import { MiB } from "../model/limits.js";

const MAX_SOURCE_BYTES = 4 * MiB;
const SECONDS = /^\d+(\.\d+)?$/;

export interface RunFlags {
  file?: string;
  args: string[];
  code?: string;
  scenario?: string;
  user: string;
  workspace?: string;
  turn?: string;
  contract?: string[];
  contractFile?: string;
  sideEffects?: boolean;
  timeout?: string;
  profile?: string;
  backend?: string;
  require?: string[];
  tools?: string;
  bundle?: string;
  config?: string;
  env?: string[];
  sync?: string;
  durability?: string;
  json?: boolean;
  events?: boolean;
  color: boolean;
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value];

export function runtimeOptions({ tools, bundle, config, profile, backend }: RunFlags): RuntimeOptions {
  const given = { tools, bundle, config, profile, backend };
  return { ...withoutUndefined(given), warm: 0 };
}

/** Throws IsoError `invalid_request` that names the flag. */
export async function requestFrom(flags: RunFlags): Promise<RunRequest> {
  if (flags.json && flags.events) throw usage("--json and --events both want stdout; choose one", "--events");
  const source = await readSource(flags);
  const contract = readContract(flags);
  return {
    userId: flags.user,
    ...source,
    ...withoutUndefined({ turnId: flags.turn, workspace: flags.workspace, require: flags.require, contract }),
    ...withoutUndefined({ timeoutMs: readTimeout(flags.timeout), env: readEnv(flags.env) }),
    ...withoutUndefined({
      sync: oneOf("--sync", flags.sync, SYNC_MODES),
      durability: oneOf("--durability", flags.durability, DURABILITIES),
    }),
    ...(flags.args.length > 0 && { args: flags.args }),
  };
}

async function readSource({
  file,
  code,
  scenario,
}: RunFlags): Promise<Pick<RunRequest, "code" | "scenario" | "progName">> {
  const given = [file, code, scenario].filter((source) => source !== undefined).length;
  if (given !== 1) {
    const what = given === 0 ? "nothing to run" : "more than one thing to run";
    throw usage(`${what}: give one of FILE (or -), -c CODE, --scenario TEXT`, "FILE");
  }
  if (scenario !== undefined) return { scenario };
  if (code !== undefined) return { code };
  if (file === "-") return { code: await readStdin() };
  const path = file ?? "";
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw usage(`FILE: there is no file "${path}"`, "FILE");
  if (stats.size > MAX_SOURCE_BYTES) throw usage(`FILE: "${path}" has more than ${MAX_SOURCE_BYTES} bytes`, "FILE");
  return { code: readText(path, "FILE"), progName: path.slice(-128) };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_SOURCE_BYTES) throw usage(`-: standard input has more than ${MAX_SOURCE_BYTES} bytes`, "-");
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readContract({ contract, contractFile, sideEffects }: RunFlags): ContractEntry[] | undefined {
  if (sideEffects && (contract || contractFile))
    throw usage("--side-effects means no contract; leave --contract out, or it", "--side-effects");
  const listed = contract?.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw usage(`--contract: "${text}" must be PATH=DESCRIPTION`, "--contract");
    return { path: text.slice(0, at), description: text.slice(at + 1) };
  });
  if (contractFile === undefined) return listed;
  if (!existsSync(contractFile)) throw usage(`--contract-file: there is no file "${contractFile}"`, "--contract-file");
  const found = parseJson(readText(contractFile, "--contract-file"), contractFile);
  if (!Array.isArray(found))
    throw usage(`--contract-file: "${contractFile}" must be a list of entries`, "--contract-file");
  return [...(listed ?? []), ...found];
}

function readText(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usage(`${flag}: "${path}" cannot be read: ${error instanceof Error ? error.message : error}`, flag);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usage(
      `--contract-file: "${path}" is no JSON: ${error instanceof Error ? error.message : error}`,
      "--contract-file",
    );
  }
}

function readTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = SECONDS.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 0.1 && seconds <= 86_400) return Math.round(seconds * 1000);
  throw usage(`--timeout: "${text}" must be seconds between 0.1 and 86400`, "--timeout");
}

function readEnv(pairs: string[] | undefined): Record<string, string> | undefined {
  if (!pairs) return undefined;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw usage("--env: a variable must be KEY=VALUE", "--env");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function oneOf<T extends string>(flag: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((word) => word === value);
  if (found === undefined) throw usage(`${flag}: "${value}" must be one of ${allowed.join(", ")}`, flag);
  return found;
}

function usage(message: string, field: string): IsoError {
  return new IsoError("invalid_request", message, { field, hint: "`iso-runtime run --help` lists the flags." });
}

function withoutUndefined<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
