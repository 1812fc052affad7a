import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeReport } from "../../src/attack/report.js";
import { renderAttacks } from "../../src/cli/attack.js";
import { renderDoctor } from "../../src/cli/doctor.js";
import { oneLine, printable } from "../../src/cli/report/printable.js";
import { renderReport } from "../../src/cli/report/report.js";
import { PLAIN } from "../../src/cli/report/style.js";
import { emptyChanges } from "../../src/model/files.js";
import { RESULTS, ran } from "./results.js";

/** Control characters but line feed and tab, and those that turn text around. */
const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const FOLLOWUPS = [
  { id: "0", label: "Happy path" },
  { id: "1", label: "Timeout" },
];

describe("the report", () => {
  it.each(Object.keys(RESULTS))("of %s is as it was", async (name) => {
    const result = RESULTS[name] ?? ran({});
    await expect(renderReport(result, PLAIN, FOLLOWUPS)).toMatchFileSnapshot(`./golden/report-${name}.txt`);
  });

  it("lets no control character of a program's reach a terminal", () => {
    const texts = fc.string({ unit: "binary", maxLength: 60 });
    const base = ran({}).sandbox;
    fc.assert(
      fc.property(texts, (text) => {
        const entry = { path: text, bytes: 1 };
        const result = ran({
          ...{ ok: false, status: "failed", signal: text },
          sandbox: base && { ...base, profile: text, python: { path: text, version: text } },
          error: {
            code: "program_error",
            message: text,
            hint: text,
            limit: text,
            exception: { type: text, message: text, traceback: text },
          },
          contract: [
            {
              path: text,
              description: text,
              status: "invalid",
              message: text,
              bytes: 1,
              mime: text,
              sha256: "0",
            },
          ],
          changes: {
            created: [entry],
            modified: [entry],
            deleted: [entry],
            skipped: [{ path: text, reason: text }],
            leftInWork: [entry],
          },
          toolCalls: [
            {
              id: text,
              toolId: text,
              params: text,
              callReason: text,
              ok: false,
              error: { code: text, message: text },
              startedAt: "",
              durationMs: 1,
            },
          ],
          diagnostics: {
            tree: text,
            userLog: text,
            infraLog: text,
            errorLines: [text],
            tracebacks: [text],
            hasError: true,
          },
          workspace: { synced: false, reason: text, durability: "process", version: null },
        });
        expect(renderReport(result, PLAIN)).not.toMatch(HARMFUL);
        expect(printable(text)).not.toMatch(HARMFUL);
        expect(oneLine(text)).not.toMatch(/\n/);
      }),
      { numRuns: 1000 },
    );
  });

  it("shows names that differ by an escape sequence as different names", () => {
    const created = ["ab.txt", "a\u001b[0mb.txt"].map((path) => ({ path, bytes: 1 }));
    const text = renderReport(ran({ changes: { ...emptyChanges(), created } }), PLAIN);
    expect(text).toMatch(/^ {2}\+ {2}ab\.txt /m);
    expect(text).toMatch(/^ {2}\+ {2}a\\x1b\[0mb\.txt /m);
  });

  it("says what was not kept, however much else has changed", () => {
    const created = Array.from({ length: 30 }, (_, index) => ({ path: `f${index}`, bytes: 1 }));
    const skipped = [{ path: "leak", reason: "link with an absolute target" }];
    const totals = { ...ran({}).totals, created: 2000, skipped: 3 };
    const text = renderReport(ran({ changes: { ...emptyChanges(), created, skipped }, totals }), PLAIN);
    expect(text).toMatch(/^ {2}! {2}leak +not kept: link with an absolute target$/m);
    expect(text).toContain("… and more: 1980 created, 2 not kept");
  });

  it("marks the ERROR lines of a log whose text had to be made harmless", () => {
    const userLog = "fine\nERROR: \u001b[31mred\u001b[0m \u202e\nRuntimeError: boom\rrest\n";
    const errorLines = ["ERROR: red \\u202e", "RuntimeError: boom"];
    const diagnostics = { ...ran({}).diagnostics, userLog, errorLines, hasError: true };
    const text = renderReport(ran({ diagnostics }), PLAIN);
    expect(text).toMatch(/^ {2}fine$/m);
    expect(text).toMatch(/^▶ ERROR: red \\u202e$/m);
    expect(text).toMatch(/^▶ RuntimeError: boom\\x0drest$/m);
  });
});

describe("doctor", () => {
  it("shows each problem with the command that mends it", async () => {
    const report = {
      ...{ ok: false, node: "v20.19.0", host: [{ name: "node", status: "ok" as const, message: "20.19.0" }] },
      backends: [
        {
          ...{ name: "bubblewrap", usable: false },
          checks: [
            { name: "python", status: "ok" as const, message: "/usr/bin/python3 3.11.2" },
            {
              name: "bubblewrap",
              status: "fail" as const,
              message: "bwrap is not installed",
              fix: "sudo apt-get install bubblewrap",
            },
            {
              name: "control groups",
              status: "warn" as const,
              message: "none are writable",
              fix: "systemd-run --user --scope -p Delegate=yes …",
            },
          ],
        },
      ],
      ...{ chosen: null, roots: { workspace: "/w", sandbox: "/s" }, notes: ["config: /c"] },
    };
    const text = renderDoctor(report, PLAIN);
    await expect(text).toMatchFileSnapshot("./golden/doctor.txt");
  });
});

describe("doctor --attack", () => {
  it("shows what held each attack and what held none, and lets nothing of a sandbox into the terminal", async () => {
    const { sandbox } = ran({});
    if (sandbox === null) throw new Error("the sample has no sandbox");
    const hostile = { ...sandbox, python: { path: "/usr/bin/\u001b[31mpython3", version: "3.11.2\n" } };
    const report = makeReport(hostile, "default", [
      {
        ...{ name: "mount", tries: "reaches mount", layers: ["seccomp"], outcome: "held" },
        ...{ heldBy: "seccomp", evidence: "refused with EPERM" },
      },
      {
        ...{ name: "press keys", tries: "opens sysrq-trigger", layers: ["proc-masks"], outcome: "held" },
        ...{ heldBy: null, evidence: "refused with ENOENT" },
      },
      {
        ...{ name: "read a file of the host", tries: "reads a file of the host", layers: ["minimal-root"] },
        ...{ outcome: "got_through", heldBy: null, evidence: 'done: "\u001b]0;x\u0007\nroot"' },
      },
      {
        ...{ name: "take processors", tries: "computes", layers: ["cpu-cgroup"], outcome: "unprotected" },
        ...{ heldBy: null, evidence: "cpus 0.05 cpus by none" },
      },
      {
        ...{ name: "list /sys", tries: "lists it", layers: ["sys"], outcome: "not_applicable" },
        ...{ heldBy: null, evidence: "the engine shows it" },
      },
      {
        ...{ name: "trace", tries: "traces", layers: ["seccomp"], outcome: "unclear" },
        ...{ heldBy: null, evidence: "it told nothing" },
      },
    ]);
    const text = renderAttacks(report, PLAIN);
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    await expect(text).toMatchFileSnapshot("./golden/attacks.txt");
  });
});
