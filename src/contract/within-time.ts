// Runs a synchronous computation whose length hostile input may choose, and ends it when its time is over. Patterns of a
// JSON Schema meet text of a sandbox here, and a regular expression can need longer than the universe lasts.
import { createContext, Script } from "node:vm";

const script = new Script("run()");
/** Its one name is called in no other realm than ours; to make a context takes longer than most computations. */
const realm: { run: () => void } = { run: () => undefined };
const context = createContext(realm);

export class OutOfTimeError extends Error {
  override readonly name = "OutOfTimeError";
}

/** The value of `run`. Throws OutOfTimeError after `maxMs`; V8 stops loops and regular expressions alike. This is a clock, not a wall. */
export function withinTime<T>(maxMs: number, run: () => T): T {
  const box: { value?: { of: T } } = {};
  realm.run = () => {
    box.value = { of: run() };
  };
  try {
    script.runInContext(context, { timeout: maxMs });
  } catch (error) {
    // The error may belong to the context's realm, whose Error is another one.
    if (
      typeof error === "object" &&
      error !== null &&
      "code" in error &&
      error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
    ) {
      throw new OutOfTimeError(`not done within ${maxMs} ms`, { cause: error });
    }
    throw error;
  } finally {
    realm.run = () => undefined;
  }
  if (box.value === undefined) throw new OutOfTimeError(`not done within ${maxMs} ms`);
  return box.value.of;
}
