// A run's events to their end, over as many connections as it takes: each event once, in order, none missing.
import { ask, Problem } from "./http.js";
import { SseParser } from "./sse.js";
import type { RunEvent } from "./types.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/** The service says something every 15 seconds; a connection that is silent for longer is none. */
const SILENT_MS = 40_000;

export interface Followed {
  runId: string;
  signal: AbortSignal;
  onEvent(event: RunEvent): void;
  /** Null: connected. Otherwise when the next try is. */
  onState(retryAtMs: number | null): void;
}

/** Resolves at the end of the run. Throws `Problem` where there is nothing to follow. */
export async function follow({ runId, signal, onEvent, onState }: Followed): Promise<void> {
  let last = 0;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const isOver = await readOnce(
        runId,
        last,
        signal,
        (event) => {
          // The service numbers them without gaps; one that came already is left out.
          if (event.seq <= last) return;
          last = event.seq;
          pauseMs = FIRST_PAUSE_MS;
          onEvent(event);
        },
        () => onState(null),
      );
      if (isOver) return;
    } catch (error) {
      if (signal.aborted) return;
      const isBusy = error instanceof Problem && (error.status === 429 || error.status >= 500);
      if (error instanceof Problem && !isBusy) throw error;
      if (error instanceof Problem && error.retryAfterMs !== null) pauseMs = Math.max(pauseMs, error.retryAfterMs);
    }
    onState(Date.now() + pauseMs);
    await sleep(pauseMs, signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

/** True when the run's last event was read. */
async function readOnce(
  runId: string,
  after: number,
  signal: AbortSignal,
  onEvent: (event: RunEvent) => void,
  onOpen: () => void,
): Promise<boolean> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENT_MS);
  const either = AbortSignal.any([signal, silence.signal]);
  try {
    const response = await ask(`/v1/runs/${runId}/events`, {
      headers: { "Last-Event-ID": String(after) },
      signal: either,
    });
    if (response.status === 204 || response.body === null) return true;
    onOpen();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENT_MS);
      for (const { data } of parser.push(value)) {
        const event = JSON.parse(data) as RunEvent;
        onEvent(event);
        if (event.type === "run.finished") {
          void reader.cancel().catch(() => undefined);
          return true;
        }
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
