// A small part of CPython's own test suite outside and inside; all of it is `npm run test:python-inside`.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { count } from "../support/soak.js";

const hasSuite = spawnSync("/usr/bin/python3", ["-I", "-c", "import test.test_mmap"]).status === 0;
if (!hasSuite)
  console.warn("CPython's own tests are SKIPPED: install the testsuite package of /usr/bin/python3 for them.");

it.runIf(hasSuite)("CPython's own tests differ inside only where a reason is listed", { timeout: 3_600_000 }, () => {
  const which = count(1, 0) === 1 ? ["--smoke"] : [];
  const done = spawnSync(process.execPath, ["scripts/python-inside.mjs", ...which], { encoding: "utf8" });
  expect(done.status, done.stdout + done.stderr).toBe(0);
  expect(done.stdout).toContain("test_mmap: ");
});
