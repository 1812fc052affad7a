// What the page reads and says: events of a stream, places in its address, sentences about endings.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blankResult } from "../../src/harness/result.js";
import type { RunResult } from "../../src/model/result.js";
import { shownResult } from "../../src/model/result-text.js";
import { SseParser } from "../../web/src/api/sse.js";
import { livePhases, phasesOf, rule } from "../../web/src/live/phases.js";
import { adviceOf, frameLine, ofRun, sentenceOf, whereOf } from "../../web/src/report/frames.js";
import { addressOf, type Place, parseRoute } from "../../web/src/state/places.js";

describe("server-sent events", () => {
  it("are read whole, in order and once, however the stream was cut", () => {
    const data = fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text));
    fc.assert(
      fc.property(fc.array(data, { maxLength: 8 }), fc.array(fc.nat(400), { maxLength: 12 }), (all, cuts) => {
        const events = all.map((text, index) => `: still here\n\nid: ${index + 1}\nevent: output\ndata: ${text}\n\n`);
        const stream = `retry: 1000\n\n${events.join("")}`;
        const at = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
        const parser = new SseParser();
        const found = at.slice(1).flatMap((end, index) => parser.push(stream.slice(at[index], end)));
        expect(found).toEqual(all.map((text, index) => ({ id: String(index + 1), data: text })));
      }),
    );
  });

  it("are refused where one has no end", () => {
    const parser = new SseParser();
    expect(() => {
      for (let at = 0; at < 100; at += 1) parser.push("x".repeat(1024 * 1024));
    }).toThrow("too long");
  });
});

describe("places", () => {
  const id = "01a22c73-e47a-78fe-b0a3-6c514776638d";
  it("come back as they were from their addresses, whoever the user is", () => {
    const place: fc.Arbitrary<Place> = fc.oneof(
      fc.constantFrom<Place>(
        { view: "history" },
        { view: "status" },
        { view: "run", runId: null },
        { view: "run", runId: id },
      ),
      fc.constant<Place>({ view: "compare", left: id, right: id }),
      fc
        .array(
          fc.string({ minLength: 1, maxLength: 6 }).map((part) => part.replaceAll("/", "x")),
          { minLength: 1, maxLength: 3 },
        )
        .map((parts): Place => ({ view: "files", path: parts.join("/") })),
    );
    fc.assert(
      fc.property(place, fc.oneof(fc.constant(null), fc.string({ minLength: 1, maxLength: 8 })), (to, user) => {
        expect(parseRoute(addressOf(to, user))).toEqual({ user, place: to });
      }),
    );
  });

  it("are the first view for whatever else an address says", () => {
    for (const hash of ["", "#", "#/", "#/nothing", "#/run/..%2f", "#/compare/1/2", "#/%E0%A4%A"]) {
      expect(parseRoute(hash).place).toEqual({ view: "run", runId: null });
    }
  });
});

const result = (fields: Partial<RunResult>) =>
  shownResult({ ...blankResult({ runId: "r", userId: "alice" }), timings: TIMINGS, ...fields });
const TIMINGS = { queueMs: 1, bootstrapMs: 2, acquireMs: 3, runMs: 10, judgeMs: 4, syncMs: 5, totalMs: 30 };
const TRACE =
  'Traceback (most recent call last):\n  File "/sandbox/work/main.py", line 9, in <module>\n    f()\n  File "/usr/lib/x.py", line 3, in f\n    pass\n  File "/sandbox/work/main.py", line 4, in f\n    raise X("no")\nX: no\n';

describe("how a run ended", () => {
  it("is told in a sentence, with the innermost line of the snippet", () => {
    const failed = result({
      status: "failed",
      error: { code: "program_error", message: "m", exception: { type: "X", message: "no\nmore", traceback: TRACE } },
    });
    expect(sentenceOf(failed)).toBe("It raised X: no");
    expect(ofRun(failed)).toEqual({ line: 4, text: 'raise X("no")' });
    expect(adviceOf(failed)).toContain("editor");
    expect(sentenceOf(result({ status: "timed_out", error: { code: "timeout", message: "m" } }))).toMatch(
      /time was over after 10 ms/,
    );
    expect(sentenceOf(result({ ok: true, status: "succeeded" }))).toBe("Done in 30 ms. It changed no file.");
    expect(
      sentenceOf(result({ status: "rejected", error: { code: "unknown_profile", message: "no such profile" } })),
    ).toContain("no such profile");
    const artifact = {
      path: "a/b.csv",
      description: "",
      status: "missing" as const,
      bytes: null,
      mime: null,
      sha256: null,
    };
    expect(
      sentenceOf(result({ status: "failed", contract: [artifact], error: { code: "contract_unmet", message: "m" } })),
    ).toContain("b.csv is missing");
  });

  it("finds lines of the snippet only", () => {
    expect(frameLine('  File "/sandbox/work/main.py", line 9, in <module>')).toBe(9);
    expect(frameLine('  File "/usr/lib/python3/json.py", line 9, in x')).toBeNull();
    expect(frameLine("line 9")).toBeNull();
    expect(whereOf("nothing")).toBeNull();
  });

  it("reads any traceback in time", () => {
    const start = performance.now();
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('File "', "/", "main.py", '", line 9', "\n", " "), maxLength: 3000 }),
        (text) => void whereOf(text),
      ),
      { numRuns: 30 },
    );
    whereOf('File "'.repeat(10_000));
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

describe("phases", () => {
  it("follow one another, as they were measured and while they are lived through", () => {
    expect(phasesOf(TIMINGS).map(({ name, startMs, ms }) => [name, startMs, ms])).toEqual([
      ["queue", 0, 1],
      // Side by side.
      ["bootstrap", 1, 2],
      ["acquire", 1, 3],
      ["run", 4, 10],
      ["judge", 14, 4],
      ["sync", 18, 5],
      ["rest", 23, 7],
    ]);
    const marks = { accepted: 1000, started: 1005, checked: null, detected: null, synced: null, finished: null };
    expect(livePhases(marks, 1105).map(({ name, startMs, ms, isLive }) => [name, startMs, ms, isLive])).toEqual([
      ["prepare", 0, 5, false],
      ["run", 5, 100, true],
    ]);
    expect(livePhases({ ...marks, accepted: null }, 0)).toEqual([]);
  });

  it("have a rule of three to six round marks", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e8, noNaN: true }), (totalMs) => {
        expect(rule(totalMs).length).toBeGreaterThanOrEqual(1);
        expect(rule(totalMs).length).toBeLessThanOrEqual(6);
        expect(Math.max(...rule(totalMs))).toBeLessThanOrEqual(totalMs * 1.0001);
      }),
    );
    expect(rule(0)).toEqual([]);
  });
});
