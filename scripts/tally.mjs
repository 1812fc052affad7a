// What a test runner reported, as counts. A runner that died, reported nothing or left with an error nobody counted is a failure itself.
import { stripVTControlCharacters } from "node:util";

/** From vitest's JSON report; `text` is null where it left none. A file that could not be loaded holds no test and counts as one failure. */
export function tallyVitest(text, status) {
  const report = parse(text);
  if (report === null) return { passed: 0, failed: 1, skipped: 0, trouble: `left no report (exit ${status})` };
  const unloaded = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  return settle(status, {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  });
}

/** What failed in vitest's JSON report, each with the first line of what it said, without colours. */
export function failuresOf(text) {
  return (parse(text)?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0 && status === "failed") return [`${name}: ${firstLine(message)}`];
    return failed.map((test) => `${name}: ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
  });
}

/** From the last lines that Python's unittest writes to its standard error. */
export function tallyUnittest(text, status) {
  const ran = [...text.matchAll(/^Ran (\d+) tests? in /gm)].at(-1);
  if (ran === undefined) return { passed: 0, failed: 1, skipped: 0, trouble: `left no summary (exit ${status})` };
  const verdict = text.slice(ran.index).match(/^(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$/m)?.[1] ?? "";
  const count = (name) => Number(verdict.match(new RegExp(`(?:^|, )${name}=(\\d+)`))?.[1] ?? 0);
  const failed = count("failures") + count("errors") + count("unexpected successes");
  const skipped = count("skipped");
  // One test may fail in several subtests, so what is left over is never counted below nought.
  return settle(status, { passed: Math.max(0, Number(ran[1]) - failed - skipped), failed, skipped });
}

export function sum(tallies) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const tally of tallies) for (const name of Object.keys(total)) total[name] += tally[name];
  return total;
}

export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function settle(status, counts) {
  if (counts.passed + counts.failed === 0) return { ...counts, failed: 1, trouble: `ran no test (exit ${status})` };
  if (status !== 0 && counts.failed === 0)
    return { ...counts, failed: 1, trouble: `ended with ${status} though no test failed` };
  return { ...counts, trouble: null };
}

function firstLine(text) {
  return stripVTControlCharacters(text ?? "")
    .trimStart()
    .split("\n", 1)[0]
    .slice(0, 500);
}

function parse(text) {
  try {
    const report = JSON.parse(text ?? "");
    return Array.isArray(report?.testResults) ? report : null;
  } catch {
    return null;
  }
}
