// A result's JSON: what is kept has all of it, what is shown no path of the host, and another result never the text of the first.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blankResult } from "../../src/harness/result.js";
import { shownResult, shownText, wholeText } from "../../src/model/result-text.js";

const PATHS = { workspace: "/srv/secret/w", sandbox: "/srv/secret/s" };

describe("the text of a result", () => {
  it("is the result, whole or without the host's paths", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.boolean(), (turnId, shownFirst) => {
        const result = { ...blankResult({ runId: "r", userId: "alice", turnId }), paths: PATHS };
        if (shownFirst) shownText(result);
        expect(JSON.parse(wholeText(result))).toEqual(JSON.parse(JSON.stringify(result)));
        expect(JSON.parse(shownText(result))).toEqual(JSON.parse(JSON.stringify(shownResult(result))));
        expect(shownText(result)).not.toContain("/srv/secret");
      }),
    );
  });

  it("is each result's own", () => {
    const first = blankResult({ runId: "r", userId: "alice" });
    shownText(first);
    expect(shownText({ ...first, runId: "other" })).toContain('"runId":"other"');
  });
});
