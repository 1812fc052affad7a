// What owns stdout in the machine-readable forms: one document, or one event a line. Written whole before the process ends.
import type { RunEvent } from "../model/events.js";
import type { RunResult } from "../model/result.js";

export type Form = "human" | "json" | "events";

/** Resolves when the operating system has it: a process that ends earlier would cut it off. */
export function writeOut(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

export async function printEvent(event: RunEvent): Promise<void> {
  await writeOut(`${JSON.stringify(event)}\n`);
}

/** A result that no stream came before. */
export async function printResult(result: RunResult, form: Exclude<Form, "human">): Promise<void> {
  if (form === "json") await writeOut(`${JSON.stringify(result)}\n`);
  else await printEvent({ seq: 1, at: new Date().toISOString(), runId: result.runId, type: "run.finished", result });
}
