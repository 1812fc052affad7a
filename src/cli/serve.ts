// `iso-runtime serve`: the HTTP API, until it is told to stop.
import { keysOf } from "../harness/api-keys.js";
import { createRuntime } from "../harness/runtime.js";
import { allowedHosts, listenAddress } from "../http/address.js";
import { LEVELS } from "../http/record.js";
import { type Listening, serveApi } from "../http/server.js";
import { IsoError } from "../model/errors.js";
import { parseSize } from "../settings/profiles.js";
import { writeOut } from "./documents.js";
import { type RunFlags, runtimeOptions } from "./flags.js";
import { admissionOf, type LimitFlags, storageOf, whole } from "./serve-limits.js";
import { LOG_FORMATS, serviceLog } from "./service-log.js";
import { orFault } from "./usage-error.js";

export interface ServeFlags extends Pick<RunFlags, "profile" | "backend" | "tools" | "bundle" | "config">, LimitFlags {
  host: string;
  port: string;
  drain: string;
  allowHost?: string[];
  keepDays: string;
  keepRuns: string;
  keepBytes: string;
  log: string;
  logLevel: string;
  json?: boolean;
}

const MAX_DRAIN_SECONDS = 86_400;
const MAX_KEPT = 999_999_999;

/** Returns the exit status when all is over; `signal` asks for that. */
export async function serveCommand(flags: ServeFlags, version: string, signal: AbortSignal): Promise<number> {
  return await orFault(flags.json, async () => {
    const port = whole("--port", flags.port, 0, 65_535);
    const drainMs = whole("--drain", flags.drain, 0, MAX_DRAIN_SECONDS) * 1000;
    const limits = { admission: admissionOf(flags), storageBytes: storageOf(flags) };
    const keep = {
      days: whole("--keep-days", flags.keepDays, 0, MAX_KEPT),
      runs: whole("--keep-runs", flags.keepRuns, 0, MAX_KEPT),
      bytes: size("--keep-bytes", flags.keepBytes),
    };
    const format = oneOf("--log", flags.log, LOG_FORMATS);
    const level = oneOf("--log-level", flags.logLevel, LEVELS);
    const tell = serviceLog({ format, level, write: (text) => void process.stderr.write(text) });
    const runtime = await createRuntime(runtimeOptions({ ...flags, args: [], user: "", color: false }));
    const keys = keysOf(runtime.settings);
    const { host, allowHost: allowHosts = [] } = flags;
    const log = (message: string) => tell({ level: "error", event: "service", fields: { message } });
    try {
      // While nothing is on disk yet.
      listenAddress(host, () => keys.any);
      allowedHosts(allowHosts, port);
      // Where no run could have a sandbox, the operator is told now and not the first caller.
      await runtime.warm();
      const history = await runtime.openHistory({ keep, log });
      const options = {
        ...{ runtime, history, host, port, drainMs, version, log, tell },
        ...{ keys, allowHosts, ...limits },
      };
      await serveApi(options, signal, ({ url, token }) => {
        void writeOut(flags.json ? `${JSON.stringify({ ok: true, url, token })}\n` : greeting({ url, token }));
      });
    } finally {
      await runtime.close();
    }
    return 0;
  });
}

function greeting({ url, token }: Listening): string {
  return [
    `iso-runtime serves ${url}`,
    // Behind the # it is the browser's alone: no server and no log has it.
    `page:  ${token === null ? url : `${url}#token=${token}`}`,
    token === null ? "others reach this address: callers need a key of `iso-runtime keys create`" : `token: ${token}`,
    `  curl -H 'Authorization: Bearer ${token ?? "KEY"}' -H 'Content-Type: application/json' \\`,
    `    -d '{"userId": "alice", "code": "print(1)"}' ${url}v1/runs`,
    "",
  ].join("\n");
}

/** Bytes as a number, or as `10GiB`. */
function size(flag: string, text: string): number {
  const value = parseSize(text);
  if (value !== null && Number.isSafeInteger(value) && value > 0) return value;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be a number of bytes, or a text like 10GiB`, {
    field: flag,
  });
}

function oneOf<T extends string>(flag: string, text: string, words: readonly T[]): T {
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be one of ${words.join(", ")}`, { field: flag });
}
