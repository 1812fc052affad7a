// The end of a call: told once, to all who listen, with the run's own end among its causes.
import { describe, expect, it } from "vitest";
import { CallEnd } from "../../src/tools/call-end.js";

describe("the end of a call", () => {
  it("is its own or its run's, whichever is first", () => {
    const run = new CallEnd();
    const [first, second] = [new CallEnd(run), new CallEnd(run)];
    expect(first.reason).toBeNull();
    first.end("tool_timeout", "too slow");
    first.end("tool_cancelled", "later");
    run.end("tool_cancelled", "over");
    expect([first.reason?.code, first.reason?.message]).toEqual(["tool_timeout", "too slow"]);
    expect([second.reason?.code, second.reason?.message]).toEqual(["tool_cancelled", "over"]);
    expect(second.reason).toBe(run.reason);
  });

  it("is told to who listens, and to who comes later at once; not to who left", () => {
    const run = new CallEnd();
    const call = new CallEnd(run);
    const told: string[] = [];
    const listen = (name: string) => call.listen((reason) => told.push(`${name}: ${reason.message}`));
    listen("one");
    const leave = listen("two");
    leave();
    run.end("tool_cancelled", "over");
    listen("three");
    call.end("tool_cancelled", "again");
    expect(told).toEqual(["one: over", "three: over"]);
  });

  it("aborts its signal, made before or after, with the same reason", () => {
    const run = new CallEnd();
    const [asked, late] = [new CallEnd(run), new CallEnd(run)];
    const { signal } = asked;
    expect(asked.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    run.end("tool_cancelled", "over");
    expect([signal.aborted, signal.reason]).toEqual([true, run.reason]);
    expect([late.signal.aborted, late.signal.reason]).toEqual([true, run.reason]);
  });
});
