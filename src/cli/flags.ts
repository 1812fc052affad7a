// The flags of `run` as commander gives them, made into a request and the runtime's options. A mistake names its flag.
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { InvalidArgumentError } from "commander";
import type { RuntimeOptions } from "../harness/options.js";
import type { RunRequest } from "../harness/request.js";
import { DURABILITIES, SYNC_MODES } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { ContractEntry } from "../model/files.js";
import { MiB } from "../model/limits.js";

/** Of a snippet, and of a contract file. */
const MAX_SOURCE_BYTES = 4 * MiB;
/** Flags that name something: an empty name is a shell variable that was not set, never a choice. Empty code and scenario mean something. */
const NAMES = [
  ...(["turn", "workspace", "profile", "backend", "tools", "bundle", "config", "contractFile"] as const),
  ...(["timeout", "sync", "durability"] as const),
];
/** Fields of a request by the flag that fills them. */
const FLAG_OF = new Map([
  ["userId", "--user"],
  ["turnId", "--turn"],
  ["timeoutMs", "--timeout"],
  ["progName", "FILE"],
  ["code", "the snippet"],
  ["args", "arguments after --"],
]);
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
  /** False: no resident engine, though there be one. */
  daemon?: boolean;
  color: boolean;
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Of two snippets one would be lost in silence. */
export function once(value: string, before?: string): string {
  if (before !== undefined) throw new InvalidArgumentError("It is given twice.");
  return value;
}

export function runtimeOptions({ tools, bundle, config, profile, backend }: RunFlags): RuntimeOptions {
  const given = { tools, bundle, config, profile, backend };
  return withoutUndefined(given);
}

/** The request's fields are yet to be checked. Throws IsoError `invalid_request` that names the flag, `cancelled` where the operator gave up before standard input ended. */
export async function requestFrom(flags: RunFlags, cancel?: AbortSignal): Promise<RunRequest> {
  if (flags.json && flags.events) throw usage("--json and --events both want stdout; choose one", "--events");
  for (const name of NAMES) if (flags[name] === "") throw usage(`${flagOf(name)}: it must not be empty`, flagOf(name));
  const contract = readContract(flags);
  const given = readFlags(flags, contract);
  // Standard input last: a mistake in a flag is told before anybody has typed a snippet.
  return { ...given, ...(await readSource(flags, cancel)) };
}

function readFlags(flags: RunFlags, contract: ContractEntry[] | undefined): RunRequest {
  return {
    userId: flags.user,
    ...withoutUndefined({ turnId: flags.turn, workspace: flags.workspace, require: flags.require, contract }),
    ...withoutUndefined({ timeoutMs: readTimeout(flags.timeout), env: readEnv(flags.env) }),
    ...withoutUndefined({
      sync: oneOf("--sync", flags.sync, SYNC_MODES),
      durability: oneOf("--durability", flags.durability, DURABILITIES),
    }),
    ...(flags.args.length > 0 && { args: flags.args }),
  };
}

/** The request's own checks, told in the words of the command line; they are loaded for it. */
export async function checkRequest(request: RunRequest): Promise<void> {
  const { parseRequest } = await import("../harness/request.js");
  try {
    parseRequest({ ...request });
  } catch (error) {
    throw inFlagWords(error);
  }
}

/** A fault of a request's field as one of the flag that filled it. */
export function inFlagWords(error: unknown): unknown {
  if (!(error instanceof IsoError) || error.field === undefined) return error;
  const [name = "", ...rest] = error.field.split(".");
  const flag = [flagOf(name), ...rest].join(" ");
  return usage(`${flag}${error.message.slice(error.field.length)}`, flag);
}

function flagOf(name: string): string {
  return FLAG_OF.get(name) ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

async function readSource(
  { file, code, scenario }: RunFlags,
  cancel: AbortSignal | undefined,
): Promise<Pick<RunRequest, "code" | "scenario" | "progName">> {
  const given = [file, code, scenario].filter((source) => source !== undefined).length;
  if (given !== 1) {
    const what = given === 0 ? "nothing to run" : "more than one thing to run";
    throw usage(`${what}: give one of FILE (or -), -c CODE, --scenario TEXT`, "FILE");
  }
  if (scenario !== undefined) return { scenario };
  if (code !== undefined) return { code };
  if (file === "-") return { code: decode(await readStdin(cancel), "-: standard input", "-") };
  const path = file ?? "";
  return { code: readText(path, "FILE"), progName: path.slice(-128) };
}

async function readStdin(cancel: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of cancel ? addAbortSignal(cancel, process.stdin) : process.stdin) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_SOURCE_BYTES) throw usage(`-: standard input has more than ${MAX_SOURCE_BYTES} bytes`, "-");
    }
  } catch (error) {
    if (!cancel?.aborted) throw error;
    throw new IsoError("cancelled", "The run was cancelled before its snippet was read.", { cause: error });
  }
  return Buffer.concat(chunks);
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
  const found = parseJson(readText(contractFile, "--contract-file"), contractFile);
  if (!Array.isArray(found))
    throw usage(`--contract-file: "${contractFile}" must be a list of entries`, "--contract-file");
  return [...(listed ?? []), ...found];
}

/** A text file that a flag names, bounded and UTF-8. */
export function readText(path: string, flag: string): string {
  return decode(readBytes(path, flag), `${flag}: "${path}"`, flag);
}

/** The size is asked of the opened file, so that nothing endless is read. */
function readBytes(path: string, flag: string): Buffer {
  let fd: number | null = null;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      const instead = flag === "FILE" && !stats.isDirectory() ? "; pipe it in, with - for FILE" : "";
      throw usage(`${flag}: "${path}" is no regular file${instead}`, flag);
    }
    if (stats.size > MAX_SOURCE_BYTES) throw usage(`${flag}: "${path}" has more than ${MAX_SOURCE_BYTES} bytes`, flag);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof IsoError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      const instead = flag === "FILE" ? "; code itself goes after -c, what chooses a scenario after --scenario" : "";
      throw usage(`${flag}: there is no file "${path}"${instead}`, flag);
    }
    throw usage(`${flag}: "${path}" cannot be read: ${error instanceof Error ? error.message : error}`, flag);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** UTF-8 without its mark; other bytes would be another program than the one that was written. */
function decode(bytes: Buffer, what: string, flag: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usage(`${what} is no UTF-8`, flag);
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
  const found = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) throw usage("--env: a variable must be KEY=VALUE", "--env");
    const name = pair.slice(0, at);
    if (found.has(name)) throw usage(`--env ${name}: it is given twice`, "--env");
    found.set(name, pair.slice(at + 1));
  }
  return Object.fromEntries(found);
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
