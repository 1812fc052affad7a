import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogScanner } from "../../src/diagnostics/log-scanner.js";

function scan(text: string | Buffer, sizes: number[] = []) {
  const scanner = new LogScanner();
  const bytes = Buffer.from(text);
  let at = 0;
  for (const size of sizes) {
    scanner.push(bytes.subarray(at, at + size));
    at += size;
  }
  scanner.push(bytes.subarray(at));
  return scanner.finish();
}

const PLAIN = `Traceback (most recent call last):
  File "main.py", line 3, in <module>
    f()
    ~^^
  File "main.py", line 1, in f
    raise ValueError("bad")
ValueError: bad`;

const GROUP = `  + Exception Group Traceback (most recent call last):
  |   File "main.py", line 1, in <module>
  |     raise ExceptionGroup("eg", [ValueError(1), g])
  | ExceptionGroup: eg (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "main.py", line 9, in g
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | TypeError: 2
      +------------------------------------`;

describe("LogScanner", () => {
  it("finds an ERROR line among others", () => {
    expect(scan("hello\nERROR: boom\nsquared error = 0.2\n")).toEqual({
      errorLines: ["ERROR: boom"],
      tracebacks: [],
      totals: { errorLines: 1, tracebacks: 0 },
    });
  });

  it("finds a traceback and takes its final line for an ERROR line", () => {
    const found = scan(`start\n${PLAIN}\nend\n`);
    expect(found.tracebacks).toEqual([PLAIN]);
    expect(found.errorLines).toEqual(["ValueError: bad"]);
  });

  it("finds each traceback of a chain", () => {
    const found = scan(
      `${PLAIN}\n\nDuring handling of the above exception, another exception occurred:\n\n${PLAIN.replaceAll("Value", "Key")}\n`,
    );
    expect(found.totals).toEqual({ errorLines: 2, tracebacks: 2 });
    expect(found.errorLines).toEqual(["ValueError: bad", "KeyError: bad"]);
  });

  it("takes an exception group as one, to its end", () => {
    const found = scan(`x\n${GROUP}\nafter\nERROR: y\n`);
    expect(found.tracebacks).toEqual([GROUP]);
    expect(found.errorLines).toEqual(["ExceptionGroup: eg (2 sub-exceptions)", "ERROR: y"]);
  });

  it("finds a traceback that is indented, and names of exceptions in modules and functions", () => {
    const indented = PLAIN.replaceAll(/^/gm, "    ").replace("ValueError:", "my.mod.f.<locals>.Bad:");
    const found = scan(`worker said:\n${indented}\ndone\n`);
    expect(found.totals.tracebacks).toBe(1);
    expect(found.errorLines).toEqual(["my.mod.f.<locals>.Bad: bad"]);
  });

  it("finds one behind a logged message, with both lines", () => {
    expect(scan(`ERROR:root:it failed\n${PLAIN}\n`).errorLines).toEqual(["ERROR:root:it failed", "ValueError: bad"]);
  });

  it("finds an exception without a message, and one without a frame", () => {
    expect(scan(`${PLAIN.replace("ValueError: bad", "KeyboardInterrupt")}\n`).errorLines).toEqual([
      "KeyboardInterrupt",
    ]);
    expect(scan("Traceback (most recent call last):\nValueError: x\n").totals.tracebacks).toBe(1);
  });

  it("does not take prose about tracebacks for one", () => {
    for (const text of [
      "a line that says Traceback (most recent call last): is no traceback\n",
      "Traceback (most recent call last):\nthat is how they begin\n",
      "Traceback (most recent call last):\n\nnote: nothing here\n",
      'Traceback (most recent call last): see below\n  File "x"\n',
      "Traceback\nValueError: x\n",
    ]) {
      expect(scan(text).totals).toEqual({ errorLines: 0, tracebacks: 0 });
    }
  });

  it("keeps a traceback that ends in the middle, without an ERROR line", () => {
    const torn = PLAIN.split("\n").slice(0, 3).join("\n");
    expect(scan(`${torn}\n`)).toMatchObject({ tracebacks: [torn], errorLines: [] });
    expect(scan(`${torn}\n-- stopped --\n`)).toMatchObject({ tracebacks: [torn], errorLines: [] });
  });

  it("begins anew where a traceback is torn by another", () => {
    const torn = PLAIN.split("\n").slice(0, 3).join("\n");
    expect(scan(`${torn}\n${PLAIN}\n`).tracebacks).toEqual([torn, PLAIN]);
  });

  it("reads through colour codes and shows none", () => {
    const coloured = "\x1b[31m\x1b[1mERROR\x1b[0m: red\n2026-01-02 10:00:00 \x1b[1;31m[error    ]\x1b[0m boom\n";
    expect(scan(coloured).errorLines).toEqual(["ERROR: red", "2026-01-02 10:00:00 [error    ] boom"]);
    expect(scan(`\x1b[1;35m${PLAIN.replaceAll("\n", "\x1b[0m\n\x1b[1;35m")}\x1b[0m\n`).tracebacks).toEqual([PLAIN]);
  });

  it("ends lines at \\r\\n and at the \\r of a progress bar", () => {
    expect(scan("10%\r20%\rERROR: x\r30%\r\nERROR: y\r\n").errorLines).toEqual(["ERROR: x", "ERROR: y"]);
    expect(scan(`${PLAIN.replaceAll("\n", "\r\n")}\r\n`).tracebacks).toEqual([PLAIN]);
  });

  it("finds the same however the bytes are split", () => {
    const text = `ERROR: ünï\r\n${PLAIN}\r\n${GROUP}\n\x1b[31mERROR\x1b[0m: z\nno ERROR here\rERROR: last`;
    const whole = scan(text);
    expect(whole.totals).toEqual({ errorLines: 5, tracebacks: 2 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }), (sizes) => {
        expect(scan(text, sizes)).toEqual(whole);
      }),
      { numRuns: 300 },
    );
    expect(scan(text, Array(Buffer.byteLength(text)).fill(1))).toEqual(whole);
  });

  it("keeps streams apart that arrive in turns", () => {
    const scanner = new LogScanner();
    PLAIN.split("\n").forEach((line, index) => {
      scanner.push(Buffer.from(`${line}\n`), "stderr");
      scanner.push(Buffer.from(`progress ${index}\n`), "stdout");
    });
    expect(scanner.finish().tracebacks).toEqual([PLAIN]);
  });

  it("spells out control characters and bytes that are no UTF-8", () => {
    expect(scan(Buffer.from("ERROR: a\x00b\x07\xff\n", "latin1")).errorLines).toEqual(["ERROR: a\\x00b\\x07\ufffd"]);
  });

  it("cuts a giant line", () => {
    const scanner = new LogScanner();
    scanner.push(Buffer.from("ERROR: "));
    for (let i = 0; i < 320; i++) scanner.push(Buffer.alloc(64 * 1024, "x"));
    scanner.push(Buffer.from("\nERROR: next\n"));
    const { errorLines } = scanner.finish();
    expect(errorLines).toHaveLength(2);
    expect(Buffer.byteLength(errorLines[0] ?? "")).toBeLessThanOrEqual(2048);
    expect(errorLines[1]).toBe("ERROR: next");
  });

  it("keeps the first and the last of too many, and counts all", () => {
    const scanner = new LogScanner({ errorLines: 4, tracebacks: 2 });
    for (let i = 0; i < 1000; i++) scanner.push(Buffer.from(`ERROR: ${i}\n${PLAIN.replace("bad", `bad${i}`)}\n`));
    const found = scanner.finish();
    expect(found.totals).toEqual({ errorLines: 2000, tracebacks: 1000 });
    expect(found.errorLines).toEqual(["ERROR: 0", "ValueError: bad", "ERROR: 999", "ValueError: bad"]);
    expect(found.tracebacks).toHaveLength(2);
    expect(found.tracebacks[1]).toContain("bad999");
  });

  it("cuts a long traceback to head and tail", () => {
    const frames = Array.from({ length: 5000 }, (_, i) => `  File "main.py", line ${i}, in f\n    f()`).join("\n");
    const [text = ""] = scan(`Traceback (most recent call last):\n${frames}\nRecursionError: deep\n`).tracebacks;
    expect(Buffer.byteLength(text)).toBeLessThan(17 * 1024);
    expect(text).toMatch(/^Traceback .*line 0, in f.*left out.*RecursionError: deep$/s);
  });

  it("does not take the rest of a run for one endless traceback", () => {
    const head = 'Traceback (most recent call last):\n  File "x", line 1\n';
    const found = scan(`${head}${"  indented\n".repeat(60_000)}ERROR: behind it\n`);
    expect(found.totals).toEqual({ errorLines: 1, tracebacks: 1 });
  });

  it("finds a level in lower case where that is one", () => {
    const lines = [
      "10:00:00 [\x1b[31m\x1b[1merror    \x1b[0m] a",
      "10:00:00 [error] b",
      "level=error msg=c",
      '{"severity":"fatal"}',
    ];
    expect(scan(lines.join("\n")).totals.errorLines).toBe(4);
  });

  it("understands what this machine's Python prints", () => {
    const code = `
import logging, traceback, sys
logging.basicConfig(level=10)
def f():
    try:
        1/0
    except ZeroDivisionError as e:
        raise RuntimeError("wrapped") from e
try: f()
except RuntimeError: logging.exception("it failed")
logging.info("no ERROR found")
print("squared error = 0.2")
def r(n): return r(n + 1)
r(0)
`;
    const { stderr } = spawnSync("python3", ["-c", code], { encoding: "utf8" });
    const found = scan(stderr);
    expect(found.errorLines.map((line) => line.split(":")[0])).toEqual([
      "ERROR",
      "ZeroDivisionError",
      "RuntimeError",
      "RecursionError",
    ]);
    expect(found.totals.tracebacks).toBe(3);
  });

  it("survives anything", () => {
    const piece = fc.constantFrom(
      "Traceback (most recent call last):",
      '  File "x", line 1',
      "\n",
      "\r",
      "  | ",
      "+---------",
      "ERROR",
      ": ",
      "x",
      "\x1b[",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const { totals, errorLines, tracebacks } = scan(pieces.join(""));
        expect(totals.errorLines).toBeGreaterThanOrEqual(errorLines.length);
        expect(totals.tracebacks).toBeGreaterThanOrEqual(tracebacks.length);
      }),
      { numRuns: 1000 },
    );
  });
});
