// What the command line answers to what it cannot do: a sentence, and the whole document where a run's flags made no sense.
import { ERRORS, IsoError, toIsoError } from "../model/errors.js";
import { oneLine } from "./report/printable.js";

/** Says what is wrong and returns the exit status. `argv` tells which form was wanted, since the flags could not be read. */
export async function usageError(argv: readonly string[], message: string): Promise<number> {
  const sentence = message.replace(/^error: /, "").trim();
  const error = new IsoError("invalid_request", sentence || "nothing was asked for", {
    hint: "`iso-runtime --help` lists commands and flags.",
  });
  const flags = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined);
  if (argv[0] === "run" && (flags.includes("--json") || flags.includes("--events"))) {
    const { rejectedResult } = await import("../harness/result.js");
    const { printResult } = await import("./documents.js");
    await printResult(rejectedResult({}, error), flags.includes("--json") ? "json" : "events");
  }
  process.stderr.write(`iso-runtime: ${oneLine(error.message, 2000)}\n${error.hint}\n`);
  return 2;
}

/** Says what went wrong and returns the exit status. */
export function tellFault(thrown: unknown): number {
  const { code, message, hint } = toIsoError(thrown);
  process.stderr.write(`iso-runtime: ${oneLine(message, 2000)}\n${hint ? `${hint}\n` : ""}`);
  return ERRORS[code].exit;
}
