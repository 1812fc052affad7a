import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatStack } from "../../src/diagnostics/stack.js";

const MAIN = "/work/main.py";
const CODE = "def f():\n    while True:\n        pass\n\nf()\n";

describe("formatStack", () => {
  it("turns a dump around, adds the snippet's lines and leaves the runner out", () => {
    const dump = `Current thread 0x00007f0000000001 (most recent call first):
  File "/work/main.py", line 3 in f
  File "/work/main.py", line 5 in <module>
  File "/opt/iso_runner/program.py", line 60 in _execute
  File "/opt/iso_runner/__main__.py", line 9 in <module>
  File "<frozen runpy>", line 88 in _run_code
`;
    expect(formatStack(dump, CODE, MAIN)).toBe(`Traceback (most recent call last):
  File "/work/main.py", line 5, in <module>
    f()
  File "/work/main.py", line 3, in f
    pass`);
  });

  it("ends at the program's own call where that waits in the runner", () => {
    const dump = `Current thread 0x1 (most recent call first):
  File "/usr/lib/python3/threading.py", line 320 in wait
  File "/opt/iso_runner/tools.py", line 40 in call
  File "/work/main.py", line 5 in <module>
  File "/opt/iso_runner/program.py", line 60 in _execute
`;
    expect(formatStack(dump, CODE, MAIN)).toBe(`Traceback (most recent call last):
  File "/work/main.py", line 5, in <module>
    f()`);
  });

  it("shows threads of the program, the module's own last, and none of the runner's", () => {
    const dump = `Thread 0x3 (most recent call first):
  File "/opt/iso_runner/tools.py", line 12 in _read
  File "/usr/lib/python3/threading.py", line 982 in run

Thread 0x2 [worker-1] (most recent call first):
  File "/work/main.py", line 3 in f
  File "/usr/lib/python3/threading.py", line 982 in run

Current thread 0x1 (most recent call first):
  File "/work/main.py", line 5 in <module>
`;
    expect(formatStack(dump, CODE, MAIN)).toBe(`Thread 0x2 [worker-1] (most recent call last):
  File "/usr/lib/python3/threading.py", line 982, in run
  File "/work/main.py", line 3, in f
    pass

Traceback (most recent call last):
  File "/work/main.py", line 5, in <module>
    f()`);
  });

  it("shows tasks that wait, the module's own last, and not the loop that the runner keeps", () => {
    const dump = `Current thread 0x1 (most recent call first):
  File "/usr/lib/python3/selectors.py", line 468 in select
  File "/usr/lib/python3/asyncio/runners.py", line 118 in run
  File "/opt/iso_runner/program.py", line 60 in _execute
  File "/opt/iso_runner/__main__.py", line 9 in <module>
  File "<frozen runpy>", line 88 in _run_code
Task "Task-1" (most recent call first):
  File "/work/main.py", line 5 in <module>
Task "fetch" (most recent call first):
  File "/usr/lib/python3/asyncio/tasks.py", line 649 in sleep
  File "/work/main.py", line 3 in f
`;
    expect(formatStack(dump, CODE, MAIN)).toBe(`Task fetch (most recent call last):
  File "/work/main.py", line 3, in f
    pass
  File "/usr/lib/python3/asyncio/tasks.py", line 649, in sleep

Traceback (most recent call last):
  File "/work/main.py", line 5, in <module>
    f()`);
  });

  it("leaves out how the interpreter began where the module itself is over", () => {
    const dump = `Current thread 0x1 (most recent call first):
  File "/work/main.py", line 3 in f
  File "/opt/iso_runner/shutdown.py", line 45 in leave
  File "/opt/iso_runner/__main__.py", line 9 in <module>
  File "<frozen runpy>", line 88 in _run_code
`;
    expect(formatStack(dump, CODE, MAIN)).toBe(`Traceback (most recent call last):
  File "/work/main.py", line 3, in f
    pass`);
  });

  it("keeps the ends of a deep recursion that hides the module", () => {
    const frames = Array.from({ length: 200 }, (_, i) => `  File "/work/main.py", line 3 in f${i}`).join("\n");
    const text = formatStack(`Current thread 0x1 (most recent call first):\n${frames}\n  ...\n`, CODE, MAIN);
    expect(text).toMatch(
      /^Traceback \(most recent call last\):\n {2}…\n {2}File .*in f199\n.*… 100 more calls ….*in f0\n {4}pass$/s,
    );
  });

  it("is empty for what is no dump", () => {
    for (const dump of ["", "hello", 'File "x"', "Current thread 0x1 (most recent call first):\n"]) {
      expect(formatStack(dump, CODE, MAIN)).toBe("");
    }
  });

  it("reads what this machine's faulthandler writes", () => {
    const code = "import faulthandler\ndef f():\n    faulthandler.dump_traceback()\nf()\n";
    const { stderr } = spawnSync("python3", ["-c", code], { encoding: "utf8" });
    expect(formatStack(stderr, code, "<string>")).toBe(`Traceback (most recent call last):
  File "<string>", line 4, in <module>
    f()
  File "<string>", line 3, in f
    faulthandler.dump_traceback()`);
  });

  it("is bounded and harmless for hostile dumps", () => {
    const giant = `Current thread 0x1 (most recent call first):\n${`  File "/work/main.py", line 3 in ${"\x1b".repeat(1000)}\n`.repeat(500)}`;
    expect(Buffer.byteLength(formatStack(giant, CODE, MAIN))).toBeLessThanOrEqual(16 * 1024);
    const piece = fc.constantFrom(
      "Thread 0x1 (most recent call first):\n",
      '  File "',
      "/work/main.py",
      '", line ',
      "3",
      "999999999",
      " in ",
      "<module>",
      "\n",
      "\x1b[2J",
      "...",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 80 }), (pieces) => {
        const text = formatStack(pieces.join(""), CODE, MAIN);
        expect(text).not.toContain("\x1b");
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16 * 1024);
      }),
      { numRuns: 500 },
    );
  });
});
