// Runs every test of the project, TypeScript's and Python's, one suite after another. The very last line counts them over all suites.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { failuresOf, sum, summaryLine, tallyUnittest, tallyVitest } from "./tally.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
// The one a sandbox takes where nothing else was chosen, so that both are tested with the same Python.
const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

const reports = mkdtempSync(join(tmpdir(), "iso-reports-"));
try {
  const unit = await runVitest("unit");
  // Much of what is tested end to end waits; the emulated machine, the fuzzer and, when these are over, the browser compute: beside each
  // other they take less time than one after the other. What they say is shown when each is over.
  const beside = ["fuzz", "vm"].map((name) => ({ name, over: runVitest(name, { isLater: true }) }));
  const computed = Promise.all(beside.map(({ over }) => over));
  beside.push({ name: "page", over: computed.then(() => runVitest("page", { isLater: true })) });
  const suites = [
    { name: "unit", ...unit },
    { name: "e2e", ...(await runVitest("e2e")) },
  ];
  for (const { name, over } of beside) suites.push({ name, ...(await over) });
  suites.push({ name: "python", ...(await runUnittest()) });

  console.log("");
  for (const suite of suites) {
    console.log(
      `${suite.name}: ${summaryLine(suite)}${suite.trouble === null ? "" : ` (the runner itself ${suite.trouble})`}`,
    );
  }
  // Once more where it is read first: the whole of it may be far above.
  for (const { name, failures = [] } of suites) {
    for (const failure of failures) console.log(`failed, ${name}: ${failure.replace(ROOT, "")}`);
  }
  const total = sum(suites);
  if (process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1")
    console.log("ISO_RUNTIME_TEST_NO_DOCKER=1: nothing was tested on Docker.");
  if (suites.find(({ name }) => name === "fuzz")?.passed === 0)
    console.log("The API was not fuzzed; the reason is above.");
  if (suites.find(({ name }) => name === "vm")?.passed === 0)
    console.log("Nothing was tested on an emulated machine; the reason is above.");
  console.log(summaryLine(total));
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}

async function runVitest(project, { isLater = false } = {}) {
  if (!isLater) heading(`vitest, ${project} tests`);
  const report = join(reports, `${project}.json`);
  const args = [
    VITEST,
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const { status, said } = await run(process.execPath, args, isLater);
  if (isLater) {
    heading(`vitest, ${project} tests, run beside those before`);
    process.stdout.write(said);
  }
  const text = existsSync(report) ? readFileSync(report, "utf8") : null;
  return { ...tallyVitest(text, status), failures: failuresOf(text) };
}

async function runUnittest() {
  heading(`${PYTHON} -m unittest`);
  const { status, stderr } = await run(PYTHON, ["-B", "-m", "unittest", "discover", "-s", "python/tests"]);
  return tallyUnittest(stderr, status);
}

function heading(text) {
  console.log(`\n== ${text}`);
}

/** Runs to the end. What it writes is shown as it comes, or kept as `said`; its standard error is kept in any case. */
function run(command, args, isLater = false) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", isLater ? "pipe" : "inherit", "pipe"] });
    let [said, stderr] = ["", ""];
    const keep = (text) => {
      said += text;
    };
    child.stdout?.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
      if (isLater) keep(text);
      else process.stderr.write(text);
    });
    child.once("error", (error) => resolve({ status: `error: ${error.message}`, said, stderr }));
    child.once("close", (code, signal) => resolve({ status: code ?? signal, said, stderr }));
  });
}
