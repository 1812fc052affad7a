// A run's events as they are kept when it has ended: a line each, bounded. The result is a file of its own and is put back in when they are
// read; what output is no longer there is one line, however many events it was.
import type { EventBus } from "../comm/event-bus.js";
import type { EventInput, RunEvent } from "../model/events.js";
import { MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { pacer } from "../safefs/pace.js";

const SCHEMA = "iso-runtime/run-events@1";
/** Beyond it output and parameters are left out. */
const MAX_BYTES = 8 * MiB;
const MAX_LINE_BYTES = 64 * MiB;

/** Events to read from a number on, as a live stream has them. */
export interface EventSource {
  events(options: { fromSeq: number }): AsyncIterator<RunEvent, undefined>;
  /** How the last event that was read is named by a reader that comes back; its `seq` where this is not there. */
  idOf?(event: Pick<RunEvent, "seq" | "type">): number;
}

export interface PastEvents extends EventSource {
  /** A reader that names this one has read all. */
  readonly lastId: number;
}

/** Output events that have no text. */
interface Gap {
  gap: true;
  seq: number;
  last: number;
  at: string;
  stream: Extract<RunEvent, { type: "output" }>["stream"];
}

/** Makes lines of events, within a bound. */
export class EventLines {
  #bytes = 0;
  #gap: Gap | null = null;

  /** The lines that an event ends; none while events without text follow one another. */
  of(event: RunEvent): string {
    const isFull = this.#bytes > MAX_BYTES;
    if (event.type === "output" && (event.text === "" || isFull)) {
      const { seq, at, stream } = event;
      if (this.#gap?.stream === stream) {
        this.#gap.last = seq;
        return "";
      }
      const before = this.end();
      this.#gap = { gap: true, seq, last: seq, at, stream };
      return before;
    }
    return this.end() + this.#line(isFull ? withoutParams(event) : withoutResult(event));
  }

  /** What is held back. */
  end(): string {
    const gap = this.#gap;
    this.#gap = null;
    return gap === null ? "" : this.#line(gap);
  }

  #line(value: object): string {
    const line = `${JSON.stringify(value)}\n`;
    this.#bytes += line.length;
    return line;
  }
}

/** The lines of a stream that has ended. */
export async function linesOf(bus: EventBus): Promise<string> {
  const pause = pacer();
  const writer = new EventLines();
  const lines = [`${JSON.stringify({ schema: SCHEMA, lastSeq: bus.lastSeq })}\n`];
  for (const event of bus.past()) {
    await pause();
    lines.push(writer.of(event));
  }
  lines.push(writer.end());
  return lines.join("");
}

function withoutResult(event: RunEvent): object {
  if (event.type !== "run.finished") return event;
  const { result: _, ...rest } = event;
  return rest;
}

function withoutParams(event: RunEvent): object {
  return event.type === "tool.called" ? { ...event, params: null } : withoutResult(event);
}

export interface EventFiles {
  /** Of a run that ended, as `linesOf` made it. */
  whole(): AsyncIterable<Buffer> | null;
  /** What there was of a run when its process died, line by line, and maybe a piece of one. */
  part(): AsyncIterable<Buffer> | null;
}

/** The events of a run that has ended, from its files. */
export async function pastEvents(files: EventFiles, result: RunResult): Promise<PastEvents> {
  const file = files.whole();
  const head = file === null ? null : await first(linesIn(file));
  const lastSeq = head === null ? null : lastSeqOf(head);
  if (lastSeq === null) return brokenOff(files, result);
  return {
    lastId: lastSeq,
    async *events({ fromSeq }) {
      const again = files.whole();
      if (again === null) return undefined;
      let at = timeOfId(result.runId) ?? UNKNOWN_TIME;
      for await (const line of linesIn(again)) {
        for (const event of eventsIn(line, fromSeq, result)) {
          yield event;
          if (event.type === "run.finished") return undefined;
          at = event.at;
        }
      }
      // The disk lost the end of the file, and not the run's.
      if (lastSeq >= fromSeq) yield { seq: lastSeq, at, runId: result.runId, type: "run.finished", result };
      return undefined;
    },
  };
}

const UNKNOWN_TIME = "1970-01-01T00:00:00.000Z";
/** More than any run has events: whoever names it has read the ending of a run that broke off. */
const AFTER_ALL = 999_999_999_999_999;

/** Its process died: when, nobody knows, nor how many events there were. */
function brokenOff(files: EventFiles, result: RunResult): PastEvents {
  const { runId, userId, turnId, mode, scenario } = result;
  const accepted: EventInput = { type: "run.accepted", userId, turnId, mode, scenario };
  return {
    lastId: AFTER_ALL,
    // A reader that had read more than is known now goes on from where it was, and comes to the end.
    idOf: ({ seq, type }) => (type === "run.finished" ? AFTER_ALL : seq),
    async *events({ fromSeq }) {
      let lastSeq = 0;
      let at = timeOfId(runId) ?? UNKNOWN_TIME;
      const part = files.part();
      if (part !== null) {
        for await (const line of linesIn(part)) {
          for (const event of eventsIn(line, 1, result)) {
            if (event.type === "run.finished") break;
            ({ seq: lastSeq, at } = event);
            if (lastSeq >= fromSeq) yield event;
          }
        }
      }
      if (lastSeq === 0) {
        lastSeq = 1;
        if (fromSeq <= 1) yield { seq: 1, at, runId, ...accepted } as RunEvent;
      }
      yield { seq: Math.max(lastSeq + 1, fromSeq), at, runId, type: "run.finished", result };
      return undefined;
    },
  };
}

/** When an id of ours was made; null for another one. */
export function timeOfId(runId: string): string | null {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(runId)) return null;
  return new Date(Number.parseInt(runId.replace("-", "").slice(0, 12), 16)).toISOString();
}

function* eventsIn(line: string, fromSeq: number, result: RunResult): Generator<RunEvent> {
  const found = parsed(line);
  if (isGap(found)) {
    const { at, stream } = found;
    for (let seq = Math.max(found.seq, fromSeq); seq <= found.last; seq += 1) {
      yield { seq, at, runId: result.runId, type: "output", stream, text: "" };
    }
    return;
  }
  if (!isEvent(found)) return;
  const event = found;
  if (event.seq < fromSeq) return;
  yield event.type === "run.finished" ? { ...event, result } : event;
}

/** Null for a line that is not whole: a process may have died at it, or a disk lost a part. */
function parsed(line: string): object | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

const isGap = (value: object | null): value is Gap =>
  value !== null && "gap" in value && "seq" in value && Number.isInteger(value.seq);

/** Written by us: a line with a number and a type is an event. */
const isEvent = (value: object | null): value is RunEvent =>
  value !== null && "type" in value && "seq" in value && typeof value.seq === "number";

function lastSeqOf(line: string): number | null {
  const head = parsed(line);
  const isOurs = head !== null && "schema" in head && head.schema === SCHEMA;
  return isOurs && "lastSeq" in head && typeof head.lastSeq === "number" ? head.lastSeq : null;
}

async function first(lines: AsyncGenerator<string>): Promise<string | null> {
  for await (const line of lines) return line;
  return null;
}

async function* linesIn(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      yield Buffer.concat(parts).toString();
      parts = [];
      length = 0;
      from = end + 1;
    }
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_LINE_BYTES) throw new RangeError("a line of the events is too long");
  }
}
