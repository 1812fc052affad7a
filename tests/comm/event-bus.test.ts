import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventBus } from "../../src/comm/event-bus.js";
import { toNdjson, toSse } from "../../src/comm/wire.js";
import { IsoError } from "../../src/model/errors.js";
import type { EventInput, RunEvent } from "../../src/model/events.js";
import { emptyChanges } from "../../src/model/files.js";
import type { RunResult } from "../../src/model/result.js";

const stream = { text: "", bytes: 0, truncated: false };
const result: RunResult = {
  schema: "iso-runtime/run-result@1",
  ...{ ok: false, runId: "r1", userId: "u", turnId: "r1", mode: "side-effects", status: "rejected", scenario: null },
  ...{ error: null, exitCode: null, signal: null, contract: [], changes: emptyChanges(), toolCalls: [] },
  output: { stdout: stream, stderr: stream },
  diagnostics: { tree: "", userLog: "", infraLog: "", errorLines: [], tracebacks: [], hasError: false },
  totals: { toolCalls: 0, errorLines: 0, tracebacks: 0, created: 0, modified: 0, deleted: 0, skipped: 0 },
  workspace: { synced: false, durability: "process", version: null },
  ...{ timings: null, usage: null, sandbox: null, paths: null },
};
const finished: EventInput = { type: "run.finished", result };
const output = (text: string): EventInput => ({ type: "output", stream: "stdout", bytes: Buffer.from(text) });
const failed = (message: string): EventInput => ({
  type: "comm.error",
  message,
  data: { errorLines: [], tracebacks: [] },
});

function openBus(options?: ConstructorParameters<typeof EventBus>[0]): EventBus {
  const bus = new EventBus(options);
  bus.open("r1");
  return bus;
}
/** The event as a subscriber gets it. */
function told(bus: EventBus, input: EventInput): RunEvent {
  const events: RunEvent[] = [];
  const leave = bus.subscribe((event) => events.push(event));
  const seq = bus.emit(input);
  leave();
  const [event] = events;
  if (event === undefined || event.seq !== seq || events.length > 1) throw new Error(`told: ${JSON.stringify(events)}`);
  return event;
}
async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
const numbers = (events: RunEvent[]) => events.map((event) => event.seq);
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const textOf = (event: RunEvent | undefined) => (event?.type === "output" ? event.text : undefined);

describe("EventBus", () => {
  it("has what was said but for output at hand, and says what kept output costs", () => {
    const bus = openBus({ headBytes: 1000, newestBytes: 2000 });
    expect([[...bus.notable()], bus.outputBytes]).toEqual([[], 0]);
    bus.emit(output("a"));
    bus.emit(failed("b"));
    expect([...bus.notable()]).toMatchObject([{ seq: 2, type: "comm.error", message: "b" }]);
    expect(bus.outputBytes).toBeGreaterThan(0);
    for (let count = 0; count < 50; count += 1) bus.emit(output("x".repeat(100)));
    expect(bus.outputBytes).toBeGreaterThan(2000);
    expect(bus.outputBytes).toBeLessThanOrEqual(3000);
    expect([...bus.notable()]).toHaveLength(1);
  });

  it("numbers, dates and names events", () => {
    const bus = openBus({ now: () => new Date("2026-01-02T10:11:12.345Z") });
    expect(told(bus, output("a"))).toEqual({
      ...{ seq: 1, at: "2026-01-02T10:11:12.345Z", runId: "r1" },
      ...{ type: "output", stream: "stdout", text: "a" },
    });
    expect(bus.emit(output("b"))).toBe(2);
    expect(bus.lastSeq).toBe(2);
  });

  it("never dates an event before the one in front of it", () => {
    const times = ["2026-01-02T10:00:00.000Z", "2026-01-02T09:00:00.000Z", "2026-01-02T10:00:01.000Z"];
    const bus = openBus({ now: () => new Date(times.shift() ?? 0) });
    expect([output("a"), output("b"), output("c")].map((input) => told(bus, input).at)).toEqual([
      ...["2026-01-02T10:00:00.000Z", "2026-01-02T10:00:00.000Z", "2026-01-02T10:00:01.000Z"],
    ]);
  });

  it("ends with run.finished, once, whatever is emitted behind it", async () => {
    const bus = openBus();
    expect(bus.emit(finished)).toBe(1);
    expect(bus.emit(output("late"))).toBeNull();
    expect(bus.emit(finished)).toBeNull();
    expect(bus.closed).toBe(true);
    expect((await collect(bus.events())).map((event) => event.type)).toEqual(["run.finished"]);
  });

  it("hands events to readers that wait, come in the middle, come late, or want only the newer ones", async () => {
    const bus = openBus();
    const early = collect(bus.events());
    bus.emit(output("1"));
    const middle = collect(bus.events());
    await Promise.resolve();
    bus.emit(failed("2"));
    bus.emit(finished);
    const late = collect(bus.events());
    expect(numbers(await early)).toEqual([1, 2, 3]);
    expect(numbers(await middle)).toEqual([1, 2, 3]);
    expect(numbers(await late)).toEqual([1, 2, 3]);
    expect(numbers(await collect(bus.events({ fromSeq: 3 })))).toEqual([3]);
    expect(numbers(await collect(bus.events({ fromSeq: 9 })))).toEqual([]);
  });

  it("answers calls of next in their order, also those made ahead", async () => {
    const bus = openBus();
    const reader = bus.events();
    const ahead = [reader.next(), reader.next(), reader.next()];
    bus.emit(output("a"));
    bus.emit(finished);
    const answers = await Promise.all(ahead);
    expect(answers.map((answer) => answer.value?.seq)).toEqual([1, 2, undefined]);
    expect(answers[2]?.done).toBe(true);
  });

  it("tells when a reader leaves early, and frees one that waits", async () => {
    const bus = openBus();
    let left = 0;
    const onReaderLeft = () => {
      left += 1;
    };
    bus.emit(output("a"));
    for await (const event of bus.events({ onReaderLeft })) {
      expect(event.seq).toBe(1);
      break;
    }
    expect(left).toBe(1);

    const reader = bus.events({ fromSeq: 2, onReaderLeft });
    const waiting = reader.next();
    await reader.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await reader.return?.();
    expect(left).toBe(2);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("does not call it leaving when the end was read", async () => {
    const bus = openBus();
    bus.emit(finished);
    let left = false;
    const reader = bus.events({ onReaderLeft: () => (left = true) });
    await reader.next();
    await reader.return?.();
    expect(left).toBe(false);
  });

  it("calls subscribers in order, even when one of them emits, throws or leaves", () => {
    const errors: unknown[] = [];
    const bus = openBus({ onSubscriberError: (error) => errors.push(error) });
    const seen: string[] = [];
    bus.subscribe((event) => {
      if (event.seq === 1) bus.emit(output("from inside"));
      seen.push(`a${event.seq}`);
    });
    bus.subscribe(() => {
      throw new Error("mine");
    });
    const leave = bus.subscribe((event) => {
      seen.push(`b${event.seq}`);
      if (event.seq === 2) leave();
    });
    bus.emit(output("x"));
    bus.emit(finished);
    expect(seen).toEqual(["a1", "b1", "a2", "b2", "a3"]);
    expect(errors).toHaveLength(3);
  });

  it("wants its run's name first, and keeps it", () => {
    const bus = new EventBus();
    expect(() => bus.emit(output("x"))).toThrow(IsoError);
    bus.open("r1");
    bus.open("r1");
    expect(() => bus.open("r2")).toThrow(/r1.*r2/);
  });

  it("lets readers end where there is no result", async () => {
    const bus = new EventBus();
    const reading = collect(bus.events());
    bus.close();
    expect(await reading).toEqual([]);
  });

  it("gives a reader that keeps up every word, however much it is", async () => {
    const bus = openBus({ headBytes: 2000, newestBytes: 2000 });
    const reader = bus.events();
    for (let i = 1; i <= 500; i++) {
      bus.emit(output(`text ${i}`));
      expect(textOf((await reader.next()).value)).toBe(`text ${i}`);
    }
  });

  it("keeps nothing of a large buffer of which an event's bytes are a small piece", async () => {
    const bus = openBus({ headBytes: 2000, newestBytes: 100_000 });
    const large = Buffer.alloc(1_000_000, "x");
    for (let i = 0; i < 20; i++) bus.emit({ type: "output", stream: "stdout", bytes: large.subarray(i, i + 10) });
    large.fill("y");
    bus.emit(finished);
    const events = await collect(bus.events());
    expect(events.slice(0, 20).map(textOf)).toEqual(Array(20).fill("x".repeat(10)));
  });

  it("makes text of any characters, the same for each reader", async () => {
    const bus = openBus();
    const texts = ["plain", "\ufeffä€😀", "\u0000\u007f", ""];
    for (const text of texts) bus.emit(output(text));
    bus.emit({ type: "output", stream: "stderr", bytes: Buffer.from([0x61, 0xff, 0x80]) });
    bus.emit(finished);
    for (let reader = 0; reader < 2; reader++)
      expect((await collect(bus.events())).map(textOf)).toEqual([...texts, "a\ufffd\ufffd", undefined]);
  });

  it("gives an event that is more than may be kept to whoever waits for it, and keeps its place", async () => {
    const bus = openBus({ headBytes: 0, newestBytes: 1000 });
    const reader = bus.events();
    for (const text of ["small", "l".repeat(2000), "s", "m".repeat(2000), "end"]) {
      bus.emit(output(text));
      expect(textOf((await reader.next()).value)).toBe(text);
    }
    bus.emit(finished);
    const late = await collect(bus.events());
    expect(numbers(late)).toEqual(upTo(6));
    expect(late.map(textOf)).toEqual([expect.stringContaining("… 4006 bytes"), "", "", "", "end", undefined]);
  });

  it("bounds what it keeps, with no number missing for a late reader", async () => {
    const bus = openBus({ headBytes: 3000, newestBytes: 3000 });
    for (let i = 1; i <= 500; i++) bus.emit(i === 250 ? failed("between") : output(`text ${i}`));
    bus.emit(finished);
    const events = await collect(bus.events());
    expect(numbers(events)).toEqual(upTo(501));
    expect(textOf(events[0])).toBe("text 1");
    expect(textOf(events[499])).toBe("text 500");
    expect(events[249]?.type).toBe("comm.error");
    const notes = events.map(textOf).filter((text) => text?.startsWith("…"));
    expect(notes).toHaveLength(2);
    const kept = events.map(textOf).filter((text) => text?.startsWith("text"));
    const left = notes.reduce((sum, note) => sum + Number(/\d+/.exec(note ?? "")?.[0]), 0);
    const all = upTo(500)
      .filter((i) => i !== 250)
      .reduce((sum, i) => sum + `text ${i}`.length, 0);
    expect(left + kept.reduce((sum, text) => sum + (text?.length ?? 0), 0)).toBe(all);
    expect(kept.length).toBeLessThan(40);
  });

  it("gives the same numbers to everybody, whatever is emitted and whenever they come", async () => {
    const step = fc.oneof(
      fc.string({ maxLength: 50 }).map(output),
      fc.constant(failed("x")),
      fc.constant("reader" as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 2000 }), async (steps, bytes) => {
        const bus = openBus({ headBytes: bytes, newestBytes: bytes });
        const readers = [collect(bus.events())];
        let emitted = 0;
        for (const next of steps) {
          if (next === "reader") readers.push(collect(bus.events()));
          else if (bus.emit(next)) emitted += 1;
          await Promise.resolve();
        }
        bus.emit(finished);
        for (const events of await Promise.all(readers)) {
          expect(numbers(events)).toEqual(upTo(emitted + 1));
          expect(events.at(-1)?.type).toBe("run.finished");
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("wire forms", () => {
  it("puts any event on one line of NDJSON", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const event = told(openBus(), output(text));
        const line = toNdjson(event);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(event)));
      }),
    );
  });

  it("makes one server-sent event of it", () => {
    const event = told(openBus({ now: () => new Date(0) }), output("a\r\nb"));
    expect(toSse(event)).toBe(
      'id: 1\nevent: output\ndata: {"seq":1,"at":"1970-01-01T00:00:00.000Z","runId":"r1","type":"output","stream":"stdout","text":"a\\r\\nb"}\n\n',
    );
  });
});
