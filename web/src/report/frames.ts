// Lines of the snippet in what Python says of it, and the sentence for how a run ended.
import type { Result } from "../api/types.js";
import { duration, plural } from "../ui/format.js";

const FRAME = /^(\s*File "(?:[^"\n]*\/)?(?:main|snippet)\.py", line )(\d{1,7})/;
const MODULE_FRAME = /File "(?:[^"\n]*\/)?main\.py", line (\d{1,7})[^\n]*\n\s+([^\n]{1,200})/g;

/** The number of the editor's line that a line of a traceback names; null where it names none. */
export function frameLine(line: string): number | null {
  const number = FRAME.exec(line)?.[2];
  return number === undefined ? null : Number(number);
}

export interface Where {
  line: number;
  text: string;
}

/** The innermost line of the snippet that a traceback names. */
export function whereOf(traceback: string): Where | null {
  const last = [...traceback.matchAll(MODULE_FRAME)].at(-1);
  return last === undefined ? null : { line: Number(last[1]), text: (last[2] ?? "").trim() };
}

export const ofRun = ({ error, diagnostics }: Result): Where | null =>
  whereOf(error?.exception?.traceback ?? "") ?? whereOf(diagnostics.tracebacks.at(-1) ?? "");

/** How it ended, in a sentence that a stranger understands. Where it stood in the code is said apart. */
export function sentenceOf(result: Result): string {
  const { status, error, totals, contract, timings, workspace } = result;
  const took = duration(timings?.totalMs);
  switch (status) {
    case "succeeded": {
      if (contract.length > 0)
        return `Done in ${took}: ${promised(contract.filter(({ status: of }) => of === "satisfied").length, contract.length)}.`;
      const changed = totals.created + totals.modified + totals.deleted;
      if (changed === 0) return `Done in ${took}. It changed no file.`;
      return `Done in ${took}. It changed ${plural(changed, "file")}${workspace.synced ? "" : ", which were not kept"}.`;
    }
    case "timed_out":
      return `Its time was over after ${duration(limitOf(result) ?? timings?.runMs)}, and it was ended.`;
    case "cancelled":
      return `It was cancelled after ${took}.${workspace.synced ? " What it had written is kept." : ""}`;
    case "rejected":
      return `Nothing ran: ${error?.message ?? "the request was refused."}`;
    default:
      return sentenceOfFailure(result);
  }
}

function sentenceOfFailure({ error, contract }: Result): string {
  if (error?.code === "contract_unmet") {
    const unmet = contract.filter(({ status, optional }) => status !== "satisfied" && !optional);
    const names = unmet.slice(0, 3).map(({ path, status }) => `${path.slice(path.lastIndexOf("/") + 1)} is ${status}`);
    return `The program ended well, but broke its promise: ${names.join(", ")}${unmet.length > 3 ? " and more" : ""}.`;
  }
  const { exception } = error ?? {};
  if (exception !== undefined) {
    const first = exception.message.split("\n")[0] ?? "";
    return `It raised ${exception.type}${first === "" ? "" : `: ${first}`}`;
  }
  return error?.message ?? "It failed.";
}

const promised = (kept: number, all: number): string =>
  all === 1 ? "the promised file is there" : `${kept} of ${all} promised files are there`;

function limitOf({ sandbox }: Result): number | undefined {
  return sandbox?.policy.limits.timeout?.value;
}

const ADVICE: Record<string, string> = {
  program_error: "Its line leads to the editor; the traceback says how it came there.",
  program_exit: "It ended itself with an exit code other than 0: its output may say why.",
  program_signal: "The kernel ended it: a native library may have crashed.",
  contract_unmet: "The Contract tab says what is wrong with each file.",
  cancelled: "Run it again when you like.",
};

/** What to do next; null where nothing is to be done. */
export const adviceOf = ({ error }: Result): string | null =>
  error === null ? null : (error.hint ?? ADVICE[error.code] ?? null);
