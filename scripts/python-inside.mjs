// Runs modules of CPython's own test suite outside and inside the sandbox, compares them test by test, and fails on a difference
// that tests/python-inside/differences.json does not list with its reason. `--smoke` takes a small part; modules may be named.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const CLI = at("../dist/cli/main.js");
const SNIPPET = at("../tests/python-inside/run_modules.py");
const DIFFERENCES = at("../tests/python-inside/differences.json");
const PYTHON = "/usr/bin/python3";
/** Who the outside tests run as where we are root: a sandbox's programs are no root either. */
const OUTSIDE_UID = 20_999;
/** Tests that wait for one another's timing fail now and then on a busy machine; a difference is one that stays. */
const ATTEMPTS = 3;
/** Everything that a test of the suite may need; what is fixed for every profile stays. */
const PROFILE = { memory: "4GiB", cpus: 4, processes: 2000, timeout: 3000, disk: "4GiB" };

/** Each row is one run on either side. */
const ALL = [
  ["test_mmap"],
  ["test_signal"],
  ["test_subprocess"],
  ["test_threading"],
  ["test_asyncio"],
  ["test_multiprocessing_main_handling"],
  ["test_multiprocessing_fork"],
  ["test_multiprocessing_forkserver"],
  ["test_multiprocessing_spawn"],
];
const SMOKE = [["test_mmap"], ["test_subprocess", "-m=*POSIXProcessTestCase*"]];

/** Tests whose outcomes differ, as `{ test, outside, inside }`; null where a side had no such test. */
export function differences(outside, inside) {
  const names = [...new Set([...Object.keys(outside), ...Object.keys(inside)])].sort();
  return names
    .map((test) => ({ test, outside: outside[test] ?? null, inside: inside[test] ?? null }))
    .filter((row) => row.outside !== row.inside);
}

/** The row of the list that expects a difference; `*` in its name stands for any text. */
export function expectedBy(list, difference) {
  return list.find(
    (row) =>
      nameMatches(row.test, difference.test) && row.outside === difference.outside && row.inside === difference.inside,
  );
}

function nameMatches(pattern, name) {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

async function main(args) {
  if (spawnSync(PYTHON, ["-I", "-c", "import test.test_mmap"]).status !== 0) {
    console.error(
      `SKIPPED: ${PYTHON} has no test suite. Way out: apt-get install libpython3.11-testsuite (its version).`,
    );
    return 77;
  }
  const chosen = args.filter((arg) => !arg.startsWith("--"));
  const rows = chosen.length > 0 ? chosen.map((module) => [module]) : args.includes("--smoke") ? SMOKE : ALL;
  const list = JSON.parse(readFileSync(DIFFERENCES, "utf8"));
  const base = mkdtempSync(join(tmpdir(), "iso-python-"));
  chmodSync(base, 0o755);
  let unexpected = 0;
  try {
    for (const row of rows) unexpected += await compareRow(row, list, base);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  console.log(unexpected === 0 ? "no unexpected difference" : `${unexpected} unexpected differences`);
  return unexpected === 0 ? 0 : 1;
}

/** One row on both sides, and again what differs unexpectedly. Returns the number of differences that stay. */
async function compareRow(row, list, base) {
  const outside = await runOutside(row, base);
  const inside = await runInside(row, base);
  const count = ({ tests }) => Object.values(tests).filter((outcome) => outcome === "passed").length;
  const found = differences(outside.tests, inside.tests);
  let left = found.filter((difference) => !expectedBy(list, difference));
  for (let attempt = 2; attempt <= ATTEMPTS && left.length > 0 && inside.trouble === null; attempt += 1) {
    const again = [row[0], ...left.map(({ test }) => `-m=${test}`)];
    const [outsideAgain, insideAgain] = [await runOutside(again, base), await runInside(again, base)];
    left = differences(outsideAgain.tests, insideAgain.tests).filter((difference) => !expectedBy(list, difference));
  }
  console.log(
    `${row.join(" ")}: ${Object.keys(inside.tests).length} tests; passed outside ${count(outside)}, inside ${count(inside)}; ` +
      `${found.length} differ, ${left.length} of them unexpectedly`,
  );
  for (const { test, outside: out, inside: within } of left) {
    console.log(`  ${test}: outside ${out}, inside ${within}`);
    console.log(`    ${(inside.details[test] ?? outside.details[test] ?? "").split("\n").slice(-6).join("\n    ")}`);
  }
  const troubles = [outside.trouble, inside.trouble].filter((trouble) => trouble !== null);
  for (const trouble of troubles) console.log(`  ${trouble}`);
  return left.length + troubles.length;
}

async function runOutside(row, base) {
  const out = mkdtempSync(join(base, "outside-"));
  const snippet = join(out, "main.py");
  copyFileSync(SNIPPET, snippet);
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: out, TMPDIR: out, LANG: "C.UTF-8", OUTPUT_DIR: out };
  const asRoot = process.getuid?.() === 0;
  if (asRoot) chownSync(out, OUTSIDE_UID, OUTSIDE_UID);
  const drop = ["--reuid", OUTSIDE_UID, "--regid", OUTSIDE_UID, "--clear-groups", PYTHON].map(String);
  const [command, ...first] = asRoot ? ["setpriv", ...drop] : [PYTHON];
  const { text } = await run(command, [...first, snippet, ...row], { cwd: out, env });
  return readOutcomes(out, `outside: ${text.slice(-2000)}`);
}

async function runInside(row, base) {
  const roots = mkdtempSync(join(base, "inside-"));
  const config = join(roots, "config.json");
  writeFileSync(
    config,
    JSON.stringify({ profiles: { default: { backend: "bubblewrap", python: PYTHON, ...PROFILE } } }),
  );
  mkdirSync(join(roots, "both"));
  const env = {
    ...process.env,
    ISO_RUNTIME_USER_WORKSPACE_ROOT: join(roots, "both/workspace"),
    ISO_RUNTIME_SANDBOX_ROOT: join(roots, "both/sandbox"),
  };
  const args = [CLI, "run", "--json", "--config", config, "--user", "suite", SNIPPET, "--", ...row];
  const { text } = await run(process.execPath, args, { cwd: roots, env });
  return readOutcomes(join(roots, "both/workspace/suite/out"), `inside: ${endingIn(text)}`);
}

function readOutcomes(folder, trouble) {
  const file = join(folder, "outcomes.json");
  if (!existsSync(file)) return { tests: {}, details: {}, trouble };
  return { ...JSON.parse(readFileSync(file, "utf8")), trouble: null };
}

/** What the run's result says of its ending. */
function endingIn(text) {
  try {
    const { status, error, output } = JSON.parse(text);
    return `${status} ${JSON.stringify(error)}\n${output.stderr.text.slice(-2000)}`;
  } catch {
    return text.slice(-2000);
  }
}

/** What it writes to standard output; with an outside run, where the suite writes to both, that is enough to see why. */
function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text = (text + chunk).slice(-8_000_000);
    });
    child.once("error", (error) => resolve({ text: String(error) }));
    child.once("close", () => resolve({ text }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
