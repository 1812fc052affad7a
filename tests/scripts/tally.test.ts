// The count that ends `npm test` is true, and no runner that failed in a way of its own can look like success.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { failuresOf, sum, summaryLine, tallyUnittest, tallyVitest } from "../../scripts/tally.mjs";
import { tempFiles } from "../support/temp.js";

describe("vitest's report", () => {
  const report = (counts: object, testResults: object[] = []) =>
    JSON.stringify({
      ...{ numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults, ...counts },
    });

  it("is counted", () => {
    const text = report({ numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 });
    expect(tallyVitest(text, 1)).toEqual({ passed: 5, failed: 2, skipped: 2, trouble: null });
  });

  it("counts a file that could not be loaded as a failure", () => {
    const text = report({ numPassedTests: 5 }, [{ status: "failed", assertionResults: [] }]);
    expect(tallyVitest(text, 1)).toMatchObject({ passed: 5, failed: 1 });
  });

  it("names what failed, each with the first line of its trouble, without colours", () => {
    const assertionResults = [
      { status: "passed", fullName: "a", failureMessages: [] },
      { status: "failed", fullName: "b > c", failureMessages: ["\u001b[31mExpected\u001b[39m 1\n  at d"] },
    ];
    const text = report({}, [
      { name: "/x.test.ts", status: "failed", message: "", assertionResults },
      { name: "/y.test.ts", status: "failed", message: "\nno such module\n", assertionResults: [] },
    ]);
    expect(failuresOf(text)).toEqual(["/x.test.ts: b > c: Expected 1", "/y.test.ts: no such module"]);
    expect(failuresOf(null)).toEqual([]);
  });

  it.each([
    ["is not there", null, 1],
    ["is cut short", '{"numPassedTests": 5, "testRes', 0],
    ["is something else", "[]", 0],
    ["has no test", report({}), 0],
    ["has only skipped tests", report({ numPendingTests: 3 }), 0],
    ["has no failure though the runner failed", report({ numPassedTests: 5 }), 1],
    ["has no failure though a signal ended the runner", report({ numPassedTests: 5 }), "SIGKILL"],
  ])("that %s is a failure", (_, text, status) => {
    const tally = tallyVitest(text, status);
    expect(tally.failed).toBe(1);
    expect(tally.trouble).toEqual(expect.any(String));
  });
});

describe("unittest's last words", () => {
  const HEAD = "import unittest\nclass T(unittest.TestCase):\n";
  const CASES: [string, string, object][] = [
    [
      "passes",
      "  def test_a(self): pass\n  def test_b(self): pass\n",
      { passed: 2, failed: 0, skipped: 0, trouble: null },
    ],
    [
      "fails, breaks and skips",
      "  def test_a(self): self.fail()\n  def test_b(self): 1/0\n  @unittest.skip('x')\n  def test_c(self): pass\n  def test_d(self): pass\n",
      { passed: 1, failed: 2, skipped: 1, trouble: null },
    ],
    [
      "passes against what was expected",
      "  @unittest.expectedFailure\n  def test_a(self): pass\n",
      { passed: 0, failed: 1, skipped: 0, trouble: null },
    ],
    ["has no test", "  pass\n", { passed: 0, failed: 1, skipped: 0 }],
    ["does not load", "  def\n", { passed: 0, failed: 1, skipped: 0, trouble: null }],
  ];

  it.each(CASES)("of a suite that %s", (_, body, expected) => {
    const dir = tempFiles({ "test_it.py": HEAD + body });
    const { stderr, status } = spawnSync("/usr/bin/python3", ["-B", "-m", "unittest", "discover", "-s", dir], {
      encoding: "utf8",
    });
    expect(tallyUnittest(stderr, status)).toMatchObject(expected);
  });

  it("are missing where Python died", () => {
    expect(tallyUnittest("Fatal Python error", -6)).toMatchObject({ passed: 0, failed: 1 });
  });

  it("are the last ones, whatever a test printed before", () => {
    const text = "Ran 9 tests in 0.1s\n\nOK\n......\nRan 3 tests in 0.2s\n\nFAILED (failures=1)\n";
    expect(tallyUnittest(text, 1)).toEqual({ passed: 2, failed: 1, skipped: 0, trouble: null });
  });
});

describe("the last line", () => {
  it("sums all suites", () => {
    const total = sum([
      { passed: 1, failed: 2, skipped: 0 },
      { passed: 10, failed: 0, skipped: 3 },
    ]);
    expect(summaryLine(total)).toBe("11 passed, 2 failed, 3 skipped");
    expect(summaryLine({ passed: 4, failed: 0, skipped: 0 })).toBe("4 passed, 0 failed");
  });
});
