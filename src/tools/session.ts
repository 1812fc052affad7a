// One run's door to the tools: checks each call on the host, executes it once at most, bounds it in time and size, records it.
// Whatever a snippet sends, `call` answers and never throws.
import { setMaxListeners } from "node:events";
import type { EventInput } from "../model/events.js";
import { KEEP } from "../model/limits.js";
import type { ToolCallRecord } from "../model/result.js";
import type { ToolAnswer, ToolCall } from "../model/tools.js";
import { type Tool, type ToolContext, ToolFailure } from "./define-tool.js";
import type { LoadedSource } from "./descriptor.js";
import type { OutputFiles } from "./output-files.js";
import { brief, plainJson } from "./plain-json.js";

const DEFAULT_TIMEOUT_MS = 300_000;
const MAX_CALLS = 1000;
const MAX_PARALLEL = 256;
const MAX_MESSAGE = 4000;

export interface SessionContext {
  runId: string;
  userId: string;
  turnId: string;
  output: OutputFiles;
  log(line: string): void;
  emit(event: EventInput): void;
  /** Calls of one run, refused ones included. */
  maxCalls?: number;
}

export class ToolSession {
  readonly #sources: ReadonlyMap<string, LoadedSource>;
  readonly #context: SessionContext;
  readonly #ids = new Set<string>();
  readonly #records: ToolCallRecord[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #listeners = new Set<(pending: number) => void>();
  readonly #cancel = new AbortController();
  #total = 0;
  #pending = 0;

  constructor(sources: ReadonlyMap<string, LoadedSource>, context: SessionContext) {
    this.#sources = sources;
    this.#context = context;
    setMaxListeners(0, this.#cancel.signal);
  }

  /** Calls whose handler is at work. */
  get pending(): number {
    return this.#pending;
  }

  /** Told whenever `pending` changes; returns how to stop that. */
  onPending(listener: (pending: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async call(call: ToolCall): Promise<ToolAnswer> {
    const work = this.#answer(call);
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Aborts what is at work and refuses what comes later. */
  cancel(reason: string): void {
    if (!this.#cancel.signal.aborted)
      this.#cancel.abort(new ToolFailure("tool_cancelled", `the call was cancelled: ${reason}`));
  }

  /** Resolves when every call has its record. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay]);
  }

  /** The first calls, in the order they came, and how many there were. */
  records(): { list: ToolCallRecord[]; total: number } {
    return { list: this.#records, total: this.#total };
  }

  async #answer(call: ToolCall): Promise<ToolAnswer> {
    const startedAt = new Date().toISOString();
    const from = performance.now();
    const record = this.#record(call, startedAt);
    this.#context.emit({
      type: "tool.called",
      id: call.id,
      toolId: record.toolId,
      params: record.params,
      callReason: call.reason,
    });
    let answer: ToolAnswer;
    try {
      const ret = plainJson(await this.#execute(call));
      record.ok = true;
      record.ret = brief(ret);
      answer = { id: call.id, ok: true, ret };
    } catch (thrown) {
      const error = asError(thrown);
      record.error = error;
      answer = { id: call.id, ok: false, error };
    }
    record.durationMs = Math.round((performance.now() - from) * 100) / 100;
    const { id, toolId, ok, error, durationMs } = record;
    this.#context.emit({ type: "tool.returned", id, toolId, ok, durationMs, ...(error && { error }) });
    return answer;
  }

  #record(call: ToolCall, startedAt: string): ToolCallRecord {
    const record: ToolCallRecord = {
      ...{ id: call.id, toolId: call.toolId, params: brief(call.params), callReason: call.reason },
      ...{ ok: false, startedAt, durationMs: 0 },
    };
    this.#total += 1;
    if (this.#records.length < KEEP.listEntries) this.#records.push(record);
    return record;
  }

  async #execute(call: ToolCall): Promise<unknown> {
    const tool = this.#admit(call);
    const params = tool.params.safeParse(call.params);
    if (!params.success) {
      const issue = params.error.issues[0];
      const path = issue?.path.map(String).join(".") || "params";
      throw new ToolFailure("invalid_params", `${call.toolId}: ${path}: ${issue?.message ?? "is not valid"}`);
    }
    const ret = await this.#run(tool, call.toolId, params.data);
    if (!tool.returns) return ret;
    const checked = tool.returns.safeParse(ret);
    if (checked.success) return checked.data;
    throw new ToolFailure(
      "result_invalid",
      `${call.toolId} returned something else than it promises: ${checked.error.issues[0]?.message ?? ""}`,
    );
  }

  /** Whether this call may be executed at all. An id counts as used from its first sight. */
  #admit(call: ToolCall): Tool {
    if (this.#ids.has(call.id))
      throw new ToolFailure("duplicate_call", `a call with the id "${call.id}" was made before; it is executed once`);
    this.#cancel.signal.throwIfAborted();
    const maxCalls = this.#context.maxCalls ?? MAX_CALLS;
    if (this.#total > maxCalls) throw new ToolFailure("too_many_calls", `a run may make ${maxCalls} tool calls`);
    this.#ids.add(call.id);
    if (this.#pending >= MAX_PARALLEL)
      throw new ToolFailure("too_many_calls", `${MAX_PARALLEL} calls may be under way at once`);

    const dot = call.toolId.indexOf(".");
    const source = this.#sources.get(call.toolId.slice(0, dot));
    const name = call.toolId.slice(dot + 1);
    const tool = dot > 0 ? source?.tools.find((candidate) => candidate.name === name) : undefined;
    if (!source || !tool)
      throw new ToolFailure(
        "unknown_tool",
        `there is no tool "${call.toolId.slice(0, 200)}"; there are: ${this.#names()}`,
      );
    if (source.allow && !source.allow.has(name))
      throw new ToolFailure("tool_not_allowed", `${call.toolId} is not on the allow-list`);
    return tool;
  }

  #names(): string {
    return (
      [...this.#sources.values()]
        .flatMap(({ alias, tools }) => tools.map(({ name }) => `${alias}.${name}`))
        .join(", ") || "none"
    );
  }

  async #run(tool: Tool, toolId: string, params: unknown): Promise<unknown> {
    const timeoutMs = tool.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeUp = new AbortController();
    const timer = setTimeout(() => {
      timeUp.abort(new ToolFailure("tool_timeout", `${toolId} did not answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    const signal = AbortSignal.any([this.#cancel.signal, timeUp.signal]);
    const { runId, userId, turnId, output, log } = this.#context;
    const context: ToolContext = {
      runId,
      userId,
      turnId,
      output,
      signal,
      log: (line) => log(`${toolId}: ${line}`),
    };
    this.#setPending(1);
    try {
      // A handler that ignores its signal does not hold up the run.
      return await Promise.race([Promise.resolve().then(() => tool.handler(params, context)), aborted(signal)]);
    } finally {
      clearTimeout(timer);
      this.#setPending(-1);
    }
  }

  #setPending(change: number): void {
    this.#pending += change;
    for (const listener of [...this.#listeners]) listener(this.#pending);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function asError(thrown: unknown): { code: string; message: string } {
  const message = (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, MAX_MESSAGE);
  return { code: thrown instanceof ToolFailure ? thrown.code : "tool_failed", message };
}
