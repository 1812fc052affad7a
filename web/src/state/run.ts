// A run as it is watched: what its events have told so far. They come in bursts, so that what is drawn is told once a frame.
import { signal } from "@preact/signals";
import { follow } from "../api/follow.js";
import { askJson, Problem, sayError } from "../api/http.js";
import type { Artifact, Changes, Result, RunEvent, RunState, RunSummary, Status } from "../api/types.js";
import { Lines, type ToolRow } from "../live/lines.js";
import type { Marks } from "../live/phases.js";

export interface Followup {
  id: string;
  label: string;
}

const LOOK_AGAIN_MS = 2_000;

export class WatchedRun {
  readonly runId: string;
  readonly status = signal<RunState | Status>("queued");
  readonly scenario = signal<string | null>(null);
  readonly marks = signal<Marks>({
    accepted: null,
    started: null,
    checked: null,
    detected: null,
    synced: null,
    finished: null,
  });
  readonly result = signal<Result | null>(null);
  readonly contract = signal<Artifact[]>([]);
  readonly changes = signal<Changes | null>(null);
  /** The same list all the time, in another cover when there is something new in it. */
  readonly tools = signal<{ readonly list: readonly ToolRow[] }>({ list: [] });
  readonly followups = signal<Followup[]>([]);
  readonly backend = signal<{ backend: string; profile: string; warm: boolean } | null>(null);
  readonly troubles = signal<string[]>([]);
  readonly cancelling = signal(false);
  /** Null: connected, or over. */
  readonly retryAt = signal<number | null>(null);
  readonly failure = signal<Problem | Error | null>(null);
  readonly lines = new Lines();
  /** Another number when there are other lines. */
  readonly changed = signal(0);
  readonly #called: ToolRow[] = [];
  readonly #atWork = new Map<string, ToolRow>();
  readonly #left = new AbortController();
  #isDue = false;

  constructor(runId: string) {
    this.runId = runId;
  }

  get isOver(): boolean {
    return this.result.value !== null;
  }

  /** From its first event to its end. A run of which there are no events any more has its result alone. */
  async watch(): Promise<void> {
    const { signal: left } = this.#left;
    try {
      await follow({
        ...{ runId: this.runId, signal: left },
        onEvent: (event) => this.#take(event),
        onState: (retryAt) => {
          this.retryAt.value = retryAt;
        },
      });
      if (this.result.value === null && !left.aborted) await this.#look();
    } catch (error) {
      if (left.aborted) return;
      // No events are kept of it, or another process is at it: what there is to see is seen by asking.
      if (error instanceof Problem && (error.status === 404 || error.status === 409)) await this.#lookUntilOver();
      else this.failure.value = error instanceof Error ? error : new Error(sayError(error));
    }
  }

  leave(): void {
    this.#left.abort();
  }

  async cancel(): Promise<void> {
    if (this.isOver || this.cancelling.value) return;
    this.cancelling.value = true;
    try {
      await askJson(`/v1/runs/${this.runId}/cancel`, { method: "POST" });
    } catch (error) {
      this.cancelling.value = false;
      throw error;
    }
  }

  async #lookUntilOver(): Promise<void> {
    for (;;) {
      await this.#look();
      if (this.isOver || this.failure.value !== null || this.#left.signal.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  async #look(): Promise<void> {
    try {
      const found = await askJson<Result | RunSummary>(`/v1/runs/${this.runId}`, { signal: this.#left.signal });
      if ("schema" in found) return this.#finish(found, null);
      this.status.value = found.status;
      this.scenario.value = found.scenario;
      this.marks.value = { ...this.marks.value, accepted: Date.parse(found.acceptedAt) };
    } catch (error) {
      if (!this.#left.signal.aborted) this.failure.value = error instanceof Error ? error : new Error(sayError(error));
    }
  }

  #take(event: RunEvent): void {
    const at = Date.parse(event.at);
    const mark = (name: keyof Marks) => {
      this.marks.value = { ...this.marks.value, [name]: at };
    };
    switch (event.type) {
      case "run.accepted":
        mark("accepted");
        this.scenario.value = event.scenario;
        break;
      case "run.started":
        mark("started");
        this.status.value = "running";
        this.backend.value = { backend: event.backend, profile: event.profile, warm: event.warm };
        break;
      case "output":
        this.lines.output(event.stream, event.text, event.at);
        this.#tell();
        break;
      case "tool.called":
        this.#toolCalled({ ...event, ok: null, error: null, durationMs: null }, event.at);
        break;
      case "tool.returned":
        this.#toolReturned(event);
        break;
      case "contract.checked":
        mark("checked");
        this.contract.value = event.contract;
        break;
      case "changes.detected":
        mark("detected");
        this.changes.value = event.changes;
        break;
      case "workspace.synced":
        mark("synced");
        break;
      case "comm.error":
        // What the program itself logged as an error is in its logs.
        if (event.data.errorLines.length + event.data.tracebacks.length === 0)
          this.troubles.value = [...this.troubles.value.slice(-19), event.message];
        break;
      case "comm.followups":
        this.followups.value = event.followups.slice(0, 100);
        break;
      case "run.finished":
        this.#finish(event.result, at);
        break;
      default:
    }
  }

  #toolCalled({ id, toolId, params, callReason, ok, error, durationMs }: ToolRow, at: string): void {
    const row = { id, toolId, params, callReason, ok, error, durationMs };
    this.#called.push(row);
    this.#atWork.set(id, row);
    this.tools.value = { list: this.#called };
    this.lines.tool(row, at);
    this.status.value = "waiting";
    this.#tell();
  }

  #toolReturned({ id, ok, error, durationMs }: Extract<RunEvent, { type: "tool.returned" }>): void {
    const row = this.#atWork.get(id);
    if (row !== undefined) Object.assign(row, { ok, error: error?.message ?? null, durationMs });
    this.#atWork.delete(id);
    this.tools.value = { list: this.#called };
    if (this.#atWork.size === 0) this.status.value = "running";
    this.#tell();
  }

  #finish(result: Result, at: number | null): void {
    if (this.lines.length === 0) this.#linesOf(result);
    if (at !== null) this.marks.value = { ...this.marks.value, finished: at };
    this.scenario.value = result.scenario;
    this.contract.value = result.contract;
    this.changes.value = result.changes;
    this.status.value = result.status;
    this.result.value = result;
    this.retryAt.value = null;
    this.#tell();
  }

  /** Where no events are kept: what the result has of them. */
  #linesOf({ output, toolCalls }: Result): void {
    for (const { id, toolId, params, callReason, ok, error, startedAt, durationMs } of toolCalls) {
      this.lines.tool({ id, toolId, params, callReason, ok, error: error?.message ?? null, durationMs }, startedAt);
    }
    this.lines.output("stdout", output.stdout.text, "");
    this.lines.output("stderr", output.stderr.text, "");
  }

  #tell(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const tell = () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      this.changed.value += 1;
    };
    requestAnimationFrame(tell);
    // A tab in the background draws nothing, and is told all the same.
    setTimeout(tell, 100);
  }
}
