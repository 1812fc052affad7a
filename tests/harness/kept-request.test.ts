// What is kept of a request: all that a person needs to see what was asked for, no secret, and nothing endless.
import { expect, it } from "vitest";
import { askedFor } from "../../src/harness/kept-request.js";
import { SecretNames } from "../../src/harness/redaction/names.js";
import { Redaction } from "../../src/harness/redaction/redaction.js";
import type { RunRequest } from "../../src/harness/request.js";

const of = (request: Partial<RunRequest>) => askedFor(request, new Redaction(new SecretNames(), request.env ?? {}));

it("has every field as it was sent, but for secrets", () => {
  const env = { TOKEN: "open sesame", PIN_TOKEN: "1", LANG: "C" };
  const schema = { type: "object", properties: { password: { type: "string" } } };
  const contract = [{ path: "a.json", description: "has open sesame", schema }];
  const request = {
    userId: "a",
    code: "say('open sesame')",
    args: ["--x", "open sesame"],
    stdin: "in",
    labels: { api_key: "k", team: "t" },
  };
  expect(of({ ...request, env, contract, timeoutMs: 5, workspace: null })).toEqual({
    request: {
      ...{ code: "say('[redacted]')", args: ["--x", "[redacted]"], stdin: "in", timeoutMs: 5, workspace: null },
      ...{
        env: { TOKEN: "[redacted]", PIN_TOKEN: "[redacted]", LANG: "C" },
        labels: { api_key: "[redacted]", team: "t" },
      },
      contract: [{ path: "a.json", description: "has [redacted]", schema }],
    },
    cut: [],
  });
});

it("says what is left out of one that is too long, or that a mask would break", () => {
  const args = Array.from({ length: 100 }, () => "x".repeat(10_000));
  const contract = [{ path: "a", description: "-----BEGIN PRIVATE KEY-----" }];
  const { request, cut } = of({ code: "1", args, stdin: "y".repeat(100_000), contract });
  expect(cut.sort()).toEqual(["args", "contract", "stdin"]);
  expect(Object.keys(request).sort()).toEqual(["code", "stdin"]);
  expect(request.stdin).toBe("y".repeat(65_536));
});
