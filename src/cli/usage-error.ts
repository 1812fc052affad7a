// What the command line answers to what it cannot do: a sentence on stderr, and one document on stdout where a machine reads it.
import { ERRORS, IsoError, toIsoError } from "../model/errors.js";
import { printResult, writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";

/** Commands whose documents are their own; every other command line is answered as a run that was rejected. */
const OWN_DOCUMENTS = ["scenarios", "doctor", "receipts", "workspace", "bench", "daemon", "serve", "keys"];

/** Says what is wrong and returns the exit status. `argv` tells which form was wanted, since the flags could not be read. */
export async function usageError(argv: readonly string[], message: string): Promise<number> {
  const sentence = message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
  const error = new IsoError("invalid_request", sentence || "nothing was asked for", {
    hint: "`iso-runtime --help` lists commands and flags.",
  });
  const flags = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined);
  if (flags.includes("--json") && OWN_DOCUMENTS.includes(argv[0] ?? "")) await printFault(error);
  else if (flags.includes("--json") || flags.includes("--events")) {
    const { rejectedResult } = await import("../harness/result.js");
    await printResult(rejectedResult({}, error), flags.includes("--json") ? "json" : "events");
  }
  return tellFault(error);
}

/** What a command prints that does its work, or where it cannot, for a machine the fault as a document; the fault goes on. */
export async function orFault<T>(json: boolean | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (json) await printFault(toIsoError(thrown));
    throw thrown;
  }
}

/** Says what went wrong and returns the exit status. */
export function tellFault(thrown: unknown): number {
  const { code, message, hint } = toIsoError(thrown);
  process.stderr.write(`iso-runtime: ${oneLine(message, 2000)}\n${hint ? `${hint}\n` : ""}`);
  return ERRORS[code].exit;
}

async function printFault({ code, message, hint }: IsoError): Promise<void> {
  await writeOut(`${JSON.stringify({ ok: false, error: { code, message, hint: hint ?? null } })}\n`);
}
