// Runs every `check:…` script of package.json, as many at a time as there are processors. Each prints only when it is done, so none is mixed with another.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const waiting = Object.keys(scripts).filter((name) => name.startsWith("check:"));
const failed = [];

const worker = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await check(name);
};
await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, worker));

if (failed.length === 0) console.log("check: nothing to mend");
else console.log(`check: ${failed.length} failed: ${failed.join(", ")}. Each runs alone too: npm run ${failed[0]}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function check(name) {
  const startedAt = performance.now();
  const { status, output } = await run("npm", ["run", "--silent", name]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${status === 0 ? "✓" : "✗"} ${name} (${seconds} s)`);
  // What passes may still have something to say, for instance that a linter could not be had here.
  if (status !== 0) failed.push(name);
  if (status !== 0 || /\bskipped\b/i.test(output)) console.log(`${scripts[name]}\n${output}`);
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.once("error", (error) => resolve({ status: -1, output: String(error) }));
    child.once("close", (code) => resolve({ status: code, output }));
  });
}
