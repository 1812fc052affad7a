// The service's log as text and as JSON: one line an entry, whatever stands in it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogOptions, serviceLog } from "../../src/cli/service-log.js";
import type { Entry } from "../../src/http/record.js";

const NOW = () => new Date(0);
const REQUEST: Entry = {
  level: "info",
  event: "request",
  fields: { route: "/v1/runs", status: 200, ms: 1.5, user: "a" },
};

function linesOf(options: Partial<LogOptions>, ...entries: Entry[]): string[] {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  const tell = serviceLog({ format: "text", level: "info", write, now: NOW, ...options });
  for (const entry of entries) tell(entry);
  return text.split("\n").slice(0, -1);
}

describe("the log", () => {
  it("is a line for people", () => {
    expect(linesOf({}, REQUEST, { ...REQUEST, fields: { user: 'a b="c', code: undefined, warm: true } })).toEqual([
      "1970-01-01T00:00:00.000Z INFO  request route=/v1/runs status=200 ms=1.5 user=a",
      String.raw`1970-01-01T00:00:00.000Z INFO  request user="a b=\"c" warm=true`,
    ]);
  });

  it("is JSON for machines", () => {
    expect(linesOf({ format: "json" }, REQUEST).map((line) => JSON.parse(line))).toEqual([
      { time: "1970-01-01T00:00:00.000Z", level: "info", event: "request", ...REQUEST.fields },
    ]);
  });

  it("leaves out what is below its level, and all where it is off", () => {
    const quiet: Entry = { ...REQUEST, level: "debug" };
    const fault: Entry = { level: "error", event: "service", fields: { message: "no" } };
    expect(linesOf({}, quiet, REQUEST, fault)).toHaveLength(2);
    expect(linesOf({ level: "debug" }, quiet, REQUEST, fault)).toHaveLength(3);
    expect(linesOf({ level: "error" }, quiet, REQUEST, fault)).toHaveLength(1);
    expect(linesOf({ format: "off" }, quiet, REQUEST, fault)).toEqual([]);
  });

  it("has one line for what a caller makes of its name, and no field that it makes up", () => {
    const harmful = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom('"', "a\nb", "\u009b31m", "\\", "\\x22", '" level=error "', "\u202e", "=", "a status=500"),
    );
    fc.assert(
      fc.property(texts, (user) => {
        const entry: Entry = { level: "info", event: "request", fields: { user, status: 200 } };
        const [json = "", ...more] = linesOf({ format: "json" }, entry);
        expect(more).toEqual([]);
        expect(json).not.toMatch(harmful);
        const safe = /\p{Surrogate}/u.test(user) ? JSON.parse(JSON.stringify(user)) : user;
        expect(JSON.parse(json)).toMatchObject({ user: safe, status: 200 });
        const [text = "", ...rest] = linesOf({}, entry);
        expect(rest).toEqual([]);
        expect(text).not.toMatch(harmful);
        const [, value = ""] = /^\S+ INFO {2}request user=("(?:[^"\\]|\\.)*"|[^\s"]+) status=200$/.exec(text) ?? [];
        expect(value.startsWith('"') ? JSON.parse(value) : value).toBe(safe);
      }),
    );
  });

  it("bounds what it says", () => {
    const [line = ""] = linesOf(
      { format: "json" },
      { level: "error", event: "service", fields: { message: "x".repeat(1e6) } },
    );
    expect(line.length).toBeLessThan(5000);
  });
});
