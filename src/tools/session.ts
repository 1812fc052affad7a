// One run's door to the tools: checks each call on the host, executes it once at most, bounds it in number and size, records it.
// Whatever a snippet sends, `call` answers and never throws.
import type { EventInput } from "../model/events.js";
import { KEEP, MiB } from "../model/limits.js";
import type { ToolCallRecord } from "../model/result.js";
import type { ToolAnswer, ToolCall } from "../model/tools.js";
import { CallEnd } from "./call-end.js";
import { type Tool, ToolFailure } from "./define-tool.js";
import type { LoadedSource } from "./descriptor.js";
import { beforeEnd, executeTool } from "./execution.js";
import type { OutputFiles } from "./output-files.js";
import { brief, plainJson } from "./plain-json.js";

const MAX_CALLS = 1000;
/** Handlers at work at once; further calls wait for their turn. */
const MAX_PARALLEL = 256;
/** Parameters of the calls under way, as JSON: what a program can make the host hold at once. */
const MAX_HELD_BYTES = 64 * MiB;
const MAX_MESSAGE = 4000;

export interface SessionContext {
  runId: string;
  userId: string;
  turnId: string;
  output: OutputFiles;
  log(line: string): void;
  emit(event: EventInput): void;
  /** What may be told of a value of the program's or a tool's: the value without its secrets. */
  clean?<T>(value: T): T;
  /** Calls of one run, refused ones included. */
  maxCalls?: number;
}

export class ToolSession {
  readonly #sources: ReadonlyMap<string, LoadedSource>;
  readonly #context: SessionContext;
  readonly #maxCalls: number;
  readonly #ids = new Set<string>();
  readonly #records: ToolCallRecord[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #listeners = new Set<(pending: number) => void>();
  /** Of all calls: none is executed any more. */
  readonly #end = new CallEnd();
  /** By the ids of the calls admitted and not yet answered. */
  readonly #ends = new Map<string, CallEnd>();
  /** Calls that wait for a handler to finish, first come first served. */
  readonly #queue: (() => void)[] = [];
  #atWork = 0;
  #total = 0;
  #pending = 0;
  #heldBytes = 0;

  constructor(sources: ReadonlyMap<string, LoadedSource>, context: SessionContext) {
    this.#sources = sources;
    this.#context = context;
    this.#maxCalls = context.maxCalls ?? MAX_CALLS;
  }

  /** Calls admitted and not yet answered. */
  get pending(): number {
    return this.#pending;
  }

  /** Told whenever `pending` changes; returns how to stop that. */
  onPending(listener: (pending: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async call(call: ToolCall): Promise<ToolAnswer> {
    this.#total += 1;
    if (this.#total > this.#maxCalls + 1) return this.#refuseUntold(call);
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
    this.#end.end("tool_cancelled", `the call was cancelled: ${reason}`);
  }

  /** Aborts one call that the program waits for no longer; none of that id is fine. */
  giveUp(id: string): void {
    this.#ends.get(id)?.end("tool_cancelled", "the program gave the call up");
  }

  /** Resolves when every call has its record. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay]);
  }

  /** The first calls, in the order they came, and how many there were. */
  records(): { list: ToolCallRecord[]; total: number } {
    return { list: this.#records, total: this.#total };
  }

  /** Beyond the first call too many, a flood costs the host an answer each: no event, and no record once the list is full. */
  #refuseUntold(call: ToolCall): ToolAnswer {
    const error = asError(this.#end.reason ?? this.#tooMany());
    if (this.#records.length < KEEP.listEntries) {
      const told = this.#clean(call);
      this.#record(told, brief(told.params).kept).error = this.#clean(error);
    }
    return { id: call.id, ok: false, error };
  }

  async #answer(call: ToolCall): Promise<ToolAnswer> {
    const from = performance.now();
    const { kept, bytes } = brief(call.params);
    const told = this.#clean(call);
    const params = told.params === call.params ? kept : brief(told.params).kept;
    const record = this.#record(told, params);
    const { id, toolId, callReason } = record;
    this.#context.emit({ type: "tool.called", id, toolId, params, callReason });
    let answer: ToolAnswer;
    try {
      const ret = plainJson(await this.#execute(call, bytes));
      record.ok = true;
      record.ret = brief(this.#clean(ret)).kept;
      answer = { id: call.id, ok: true, ret };
    } catch (thrown) {
      const error = asError(thrown);
      record.error = this.#clean(error);
      answer = { id: call.id, ok: false, error };
    }
    record.durationMs = Math.round((performance.now() - from) * 100) / 100;
    const { ok, error, durationMs } = record;
    this.#context.emit({ type: "tool.returned", id, toolId, ok, durationMs, ...(error && { error }) });
    return answer;
  }

  #clean<T>(value: T): T {
    return this.#context.clean?.(value) ?? value;
  }

  #record(call: ToolCall, params: unknown): ToolCallRecord {
    const record: ToolCallRecord = {
      ...{ id: call.id, toolId: call.toolId, params, callReason: call.reason },
      ...{ ok: false, startedAt: new Date().toISOString(), durationMs: 0 },
    };
    if (this.#records.length < KEEP.listEntries) this.#records.push(record);
    return record;
  }

  async #execute(call: ToolCall, bytes: number): Promise<unknown> {
    const tool = this.#admit(call, bytes);
    const end = new CallEnd(this.#end);
    this.#ends.set(call.id, end);
    this.#heldBytes += bytes;
    this.#setPending(1);
    try {
      if (this.#atWork >= MAX_PARALLEL) await this.#turn(end);
      else this.#atWork += 1;
      try {
        const { runId, userId, turnId, output, log } = this.#context;
        const context = { ...{ runId, userId, turnId, output }, log, end };
        return await executeTool(tool, call.toolId, call.params, context);
      } finally {
        this.#leavePlace();
      }
    } finally {
      this.#ends.delete(call.id);
      this.#heldBytes -= bytes;
      this.#setPending(-1);
    }
  }

  /** Whether this call may be executed at all. An id counts as used from its first sight. */
  #admit(call: ToolCall, bytes: number): Tool {
    if (this.#ids.has(call.id))
      throw new ToolFailure("duplicate_call", `a call with the id "${call.id}" was made before; it is executed once`);
    if (this.#end.reason !== null) throw this.#end.reason;
    if (this.#total > this.#maxCalls) throw this.#tooMany();
    this.#ids.add(call.id);

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
    if (this.#heldBytes + bytes > MAX_HELD_BYTES)
      throw new ToolFailure(
        "too_many_calls",
        `the calls under way would hold more than ${MAX_HELD_BYTES / MiB} MiB of parameters; await some of them first`,
      );
    return tool;
  }

  /** Resolves when a call that ended hands on its place; rejects when this one is cancelled first. */
  async #turn(end: CallEnd): Promise<void> {
    let take = () => {};
    const turn = new Promise<void>((resolve) => {
      take = resolve;
    });
    this.#queue.push(take);
    try {
      await beforeEnd(end, turn);
    } catch (thrown) {
      const at = this.#queue.indexOf(take);
      if (at === -1) this.#leavePlace();
      else this.#queue.splice(at, 1);
      throw thrown;
    }
  }

  /** The place goes to the next in line as it is. */
  #leavePlace(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#atWork -= 1;
  }

  #tooMany(): ToolFailure {
    return new ToolFailure("too_many_calls", `a run may make ${this.#maxCalls} tool calls`);
  }

  #names(): string {
    return (
      [...this.#sources.values()]
        .flatMap(({ alias, tools }) => tools.map(({ name }) => `${alias}.${name}`))
        .join(", ") || "none"
    );
  }

  #setPending(change: number): void {
    this.#pending += change;
    for (const listener of [...this.#listeners]) listener(this.#pending);
  }
}

/** What was thrown may be anything at all, as may be the message of an error. */
function asError(thrown: unknown): { code: string; message: string } {
  const code = ToolFailure.codeOf(thrown) ?? "tool_failed";
  const told: unknown = thrown instanceof Error ? thrown.message : thrown;
  let message = "the tool threw something that has no text";
  try {
    message = String(told);
  } catch {
    // An object without a primitive form; the sentence above says so.
  }
  return { code, message: message.slice(0, MAX_MESSAGE) };
}
