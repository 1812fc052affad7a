// A run that a resident engine does for this process. What it says is what a runtime of one's own would have said.
import type { RunRequest } from "../../harness/request.js";
import { IsoError } from "../../model/errors.js";
import type { RunEvent } from "../../model/events.js";
import { processEnvironment } from "../../settings/environment.js";
import { inFlagWords } from "../flags.js";
import type { Runner } from "../runner.js";
import { type Connection, connectTo } from "./connection.js";
import { placeOf } from "./place.js";

interface Wanted {
  profile?: string | undefined;
  backend?: string | undefined;
  config?: string | undefined;
  tools?: string | undefined;
  bundle?: string | undefined;
}

/**
 * Null where there is no engine for this call, or it does not want it; nothing ran then. Throws the IsoError that a runtime of one's own
 * would have thrown. Tools and bundles of the user's own are code that may have changed since, and sees the process that runs it.
 */
export async function residentRunner(
  { profile, backend, config, tools, bundle }: Wanted,
  request: RunRequest,
  cancel: AbortSignal,
): Promise<Runner | null> {
  if (tools !== undefined || bundle !== undefined || processEnvironment().env.ISO_RUNTIME_TOOLS) return null;
  const place = placeOf(config);
  const connection = place && (await connectTo(place));
  if (!connection) return null;
  const chosen = { ...(profile !== undefined && { profile }), ...(backend !== undefined && { backend }) };
  connection.send({ do: "run", key: place.key, ...chosen, request: { ...request } });
  const answer = await connection.next();
  if (answer?.t === "taken")
    return { events: () => eventsOf(connection, cancel), close: async () => connection.close() };
  connection.close();
  if (answer?.t === "elsewhere") return null;
  if (answer?.t !== "fault") throw engineGone();
  const { code, message, hint, field } = answer.fault;
  const optional = { ...(hint !== undefined && { hint }), ...(field !== undefined && { field }) };
  const fault = new IsoError(code, message, optional);
  throw answer.in === "request" ? inFlagWords(fault) : fault;
}

async function* eventsOf(connection: Connection, cancel: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
  const onAbort = () => connection.send({ do: "cancel" });
  cancel.addEventListener("abort", onAbort, { once: true });
  if (cancel.aborted) onAbort();
  try {
    for (let message = await connection.next(); message?.t === "event"; message = await connection.next()) {
      yield message.event;
      if (message.event.type === "run.finished") return;
    }
    throw engineGone();
  } finally {
    cancel.removeEventListener("abort", onAbort);
  }
}

function engineGone(): IsoError {
  return new IsoError("interrupted", "The resident engine ended before the run did.", {
    hint: "The workspace is whole: as it was before that run, or as it was after it. Run it again; --no-daemon runs it without the engine.",
  });
}
