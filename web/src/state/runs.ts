// The run that is shown, and how one is started.
import { signal } from "@preact/signals";
import { askJson, Problem } from "../api/http.js";
import type { Result, RunRequest, RunSummary } from "../api/types.js";
import { remember } from "./codes.js";
import { say } from "./notices.js";
import { go } from "./route.js";
import { WatchedRun } from "./run.js";
import { user } from "./session.js";

export const shown = signal<WatchedRun | null>(null);
export const starting = signal(false);
/** Counts the runs that ended while the page was open: lists look again. */
export const endings = signal(0);
let whose: string | null = null;
/** The run that was started last. */
let taken: { runId: string; scenario: string | null } | null = null;

export function show(runId: string | null): void {
  if (shown.value?.runId === runId && whose === user.value) return;
  shown.value?.leave();
  whose = user.value;
  if (runId === null) {
    shown.value = null;
    return;
  }
  const run = new WatchedRun(runId);
  // Known before its first event comes.
  if (taken?.runId === runId) run.scenario.value = taken.scenario;
  shown.value = run;
  void run.watch().then(() => {
    if (run.isOver) endings.value += 1;
  });
}

/** Throws `Problem` and `Unreachable`; the run is shown as soon as the service has taken it. */
export async function start(request: RunRequest): Promise<void> {
  if (starting.value) return;
  starting.value = true;
  try {
    const found = await askJson<Result | RunSummary>("/v1/runs", {
      json: request,
      headers: { Prefer: "respond-async" },
    });
    if (request.code !== undefined) remember(found.runId, request.code);
    taken = { runId: found.runId, scenario: found.scenario };
    go({ view: "run", runId: found.runId });
  } finally {
    starting.value = false;
  }
}

export async function cancelShown(): Promise<void> {
  try {
    await shown.value?.cancel();
  } catch (error) {
    say(
      error instanceof Problem ? error : new Error("The run could not be asked to end: the service cannot be reached."),
    );
  }
}
