// `iso-runtime serve`: the HTTP API, until it is told to stop.
import { createRuntime } from "../harness/runtime.js";
import { LEVELS } from "../http/record.js";
import { serveApi } from "../http/server.js";
import { IsoError } from "../model/errors.js";
import { writeOut } from "./documents.js";
import { type RunFlags, runtimeOptions } from "./flags.js";
import { LOG_FORMATS, serviceLog } from "./service-log.js";
import { orFault } from "./usage-error.js";

export interface ServeFlags extends Pick<RunFlags, "profile" | "backend" | "tools" | "bundle" | "config"> {
  host: string;
  port: string;
  drain: string;
  log: string;
  logLevel: string;
  json?: boolean;
}

const MAX_DRAIN_SECONDS = 86_400;

/** Returns the exit status when all is over; `signal` asks for that. */
export async function serveCommand(flags: ServeFlags, version: string, signal: AbortSignal): Promise<number> {
  return await orFault(flags.json, async () => {
    const port = whole("--port", flags.port, 65_535);
    const drainMs = whole("--drain", flags.drain, MAX_DRAIN_SECONDS) * 1000;
    const format = oneOf("--log", flags.log, LOG_FORMATS);
    const level = oneOf("--log-level", flags.logLevel, LEVELS);
    const tell = serviceLog({ format, level, write: (text) => void process.stderr.write(text) });
    const { warm: _, ...options } = runtimeOptions({ ...flags, args: [], user: "", color: false });
    const runtime = await createRuntime(options);
    const log = (message: string) => tell({ level: "error", event: "service", fields: { message } });
    try {
      // Where no run could have a sandbox, the operator is told now and not the first caller.
      await runtime.warm();
      await serveApi({ runtime, host: flags.host, port, drainMs, version, log, tell }, signal, ({ url, token }) => {
        void writeOut(flags.json ? `${JSON.stringify({ ok: true, url, token })}\n` : greeting(url, token));
      });
    } finally {
      await runtime.close();
    }
    return 0;
  });
}

function greeting(url: string, token: string): string {
  return [
    `iso-runtime serves ${url}`,
    `token: ${token}`,
    `  curl -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' \\`,
    `    -d '{"userId": "alice", "code": "print(1)"}' ${url}v1/runs`,
    "",
  ].join("\n");
}

function oneOf<T extends string>(flag: string, text: string, words: readonly T[]): T {
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be one of ${words.join(", ")}`, { field: flag });
}

function whole(flag: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be a whole number up to ${max}`, { field: flag });
}
