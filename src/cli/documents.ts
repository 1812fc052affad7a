// What owns stdout in the machine-readable forms: one document, or one event a line. Written whole before the process ends.
import { IsoError } from "../model/errors.js";
import type { RunEvent } from "../model/events.js";
import type { RunResult } from "../model/result.js";

export type Form = "human" | "json" | "events";

/** What a stream says of a write after its reader left. */
export const READER_LEFT = ["EPIPE", "ERR_STREAM_DESTROYED"];

/** Resolves when the operating system has it: a process that ends earlier would cut it off. A reader that left is none to write for. */
export function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      const code = error && "code" in error ? String(error.code) : "";
      if (!error || READER_LEFT.includes(code)) resolve();
      else reject(new IsoError("internal", `stdout cannot be written: ${error.message}`, { cause: error }));
    });
  });
}

export async function printEvent(event: RunEvent): Promise<void> {
  await writeOut(`${JSON.stringify(event)}\n`);
}

/** A result that came by no stream, or by one that broke off before the event `seq`. */
export async function printResult(result: RunResult, form: Exclude<Form, "human">, seq = 1): Promise<void> {
  if (form === "json") await writeOut(`${JSON.stringify(result)}\n`);
  else await printEvent({ seq, at: new Date().toISOString(), runId: result.runId, type: "run.finished", result });
}
