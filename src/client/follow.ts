// A run's events as one sequence, over as many connections as it takes: each event once, in order, up to the last.
import { ConnectionError } from "./errors.js";
import { type ServerSent, SseReader } from "./sse.js";
import type { Transport } from "./transport.js";
import type { RunEvent } from "./types.js";
import { backoffMs, wait } from "./wait.js";

/** The service says every 15 seconds that it is there. A connection that is silent for longer is dead, though nobody told us. */
const SILENCE_MS = 45_000;

export interface Followed {
  path: string;
  query: Record<string, string | undefined>;
  /** The number of the last event that is not wanted. */
  after: number;
  signal: AbortSignal | undefined;
  silenceMs?: number;
}

export async function* follow(transport: Transport, followed: Followed): AsyncGenerator<RunEvent, void, undefined> {
  let last = followed.after;
  let failures = 0;
  /** As the service asks for it. */
  let pauseMs = 0;
  for (;;) {
    try {
      const response = await open(transport, followed, last);
      // The run has ended, and its last event was read.
      if (response.status === 204) return;
      for await (const { data, retryMs } of sentBy(response, followed.silenceMs ?? SILENCE_MS)) {
        if (retryMs !== null) pauseMs = retryMs;
        if (data === "") continue;
        const event = eventOf(data);
        if (event.seq <= last) continue;
        if (event.seq > last + 1) throw new ConnectionError(`the event ${last + 1} did not come, but ${event.seq}`);
        last = event.seq;
        failures = 0;
        yield event;
        if (event.type === "run.finished") return;
      }
      throw new ConnectionError("the events stopped before the run's last");
    } catch (error) {
      followed.signal?.throwIfAborted();
      if (!(error instanceof ConnectionError) || failures >= transport.retries) throw error;
    }
    // At once where it got further: a connection may be cut by whoever stands in between.
    if (failures > 0) await wait(Math.max(pauseMs, backoffMs(failures)), followed.signal);
    failures += 1;
  }
}

function open(transport: Transport, { path, query, signal }: Followed, last: number): Promise<Response> {
  const headers = { Accept: "text/event-stream", ...(last > 0 && { "Last-Event-ID": String(last) }) };
  return transport.send(path, { query, headers, signal, repeatable: true });
}

/** Ends where the body does. Leaving the loop gives up the connection. */
async function* sentBy(response: Response, silenceMs: number): AsyncGenerator<ServerSent, void, undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const [decoder, events] = [new TextDecoder(), new SseReader()];
  try {
    for (;;) {
      const chunk = await inTime(reader.read(), silenceMs);
      if (chunk.done) return;
      yield* events.push(decoder.decode(chunk.value, { stream: true }));
    }
  } finally {
    // Of a connection that is cut already it says so once more.
    void reader.cancel().catch(() => undefined);
  }
}

async function inTime<T>(reading: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionError(`nothing came for ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([reading, silent]);
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    throw new ConnectionError("the connection was cut", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function eventOf(data: string): RunEvent {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null && "seq" in event && typeof event.seq === "number") {
      return event as RunEvent;
    }
  } catch {
    // Said below.
  }
  throw new ConnectionError("what came is no event of a run");
}
