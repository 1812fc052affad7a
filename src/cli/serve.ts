// `iso-runtime serve`: the HTTP API, until it is told to stop.
import { createRuntime } from "../harness/runtime.js";
import { serveApi } from "../http/server.js";
import { IsoError } from "../model/errors.js";
import { parseSize } from "../settings/profiles.js";
import { writeOut } from "./documents.js";
import { type RunFlags, runtimeOptions } from "./flags.js";
import { oneLine } from "./report/printable.js";
import { orFault } from "./usage-error.js";

export interface ServeFlags extends Pick<RunFlags, "profile" | "backend" | "tools" | "bundle" | "config"> {
  host: string;
  port: string;
  drain: string;
  keepDays: string;
  keepRuns: string;
  keepBytes: string;
  json?: boolean;
}

const MAX_DRAIN_SECONDS = 86_400;
const MAX_KEPT = 999_999_999;

/** Returns the exit status when all is over; `signal` asks for that. */
export async function serveCommand(flags: ServeFlags, version: string, signal: AbortSignal): Promise<number> {
  return await orFault(flags.json, async () => {
    const port = whole("--port", flags.port, 65_535);
    const drainMs = whole("--drain", flags.drain, MAX_DRAIN_SECONDS) * 1000;
    const keep = {
      days: whole("--keep-days", flags.keepDays, MAX_KEPT),
      runs: whole("--keep-runs", flags.keepRuns, MAX_KEPT),
      bytes: size("--keep-bytes", flags.keepBytes),
    };
    const { warm: _, ...options } = runtimeOptions({ ...flags, args: [], user: "", color: false });
    const runtime = await createRuntime(options);
    const log = (line: string) => void process.stderr.write(`iso-runtime: ${oneLine(line, 4000)}\n`);
    try {
      // Where no run could have a sandbox, the operator is told now and not the first caller.
      await runtime.warm();
      const history = await runtime.openHistory({ keep, log });
      await serveApi({ runtime, history, host: flags.host, port, drainMs, version, log }, signal, ({ url, token }) => {
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

/** Bytes as a number, or as `10GiB`. */
function size(flag: string, text: string): number {
  const value = parseSize(text);
  if (value !== null && Number.isSafeInteger(value) && value > 0) return value;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be a number of bytes, or a text like 10GiB`, {
    field: flag,
  });
}

function whole(flag: string, text: string, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw new IsoError("invalid_request", `${flag}: "${text}" must be a whole number up to ${max}`, { field: flag });
}
