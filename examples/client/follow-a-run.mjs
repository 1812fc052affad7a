// The TypeScript client: sends a file, has a snippet count its lines, follows the run as it happens, reads the result and takes all back.
// It asserts what it shows, and exits non-zero where that is not so. ISO_URL and ISO_TOKEN are what `iso-runtime serve` printed.
import assert from "node:assert/strict";
import { createClient, ProblemError } from "iso-runtime/client";

const { ISO_URL: url, ISO_TOKEN: token } = process.env;
const { runs, workspace } = createClient({ url, token, user: "carol" });

await workspace.put("data/lines.txt", "one\ntwo\nthree\n");
const run = await runs.start({
  code: `
import os
base = os.environ["OUTPUT_DIR"]
lines = open(base + "/data/lines.txt").read().split()
for line in lines:
    print(line, flush=True)
open(base + "/count.txt", "w").write(str(len(lines)))
`,
  contract: [{ path: "count.txt", description: "how many lines there are", mime: "text/plain" }],
});

let printed = "";
let result = null;
for await (const event of runs.events(run.runId)) {
  if (event.type === "output") printed += event.text;
  if (event.type === "run.finished") result = event.result;
}
console.log(result.status, result.contract[0].status, JSON.stringify(printed));
assert.equal(result.status, "succeeded");
assert.equal(printed, "one\ntwo\nthree\n");
assert.equal(await (await workspace.get("count.txt")).text(), "3");
assert.equal(await (await runs.file(run.runId, "count.txt")).text(), "3");

await workspace.undo();
const names = [];
for await (const { path } of workspace.list()) names.push(path);
assert.deepEqual(names, ["data/lines.txt"]);

const problem = await runs.create({ code: "", profile: "nope" }).catch((error) => error);
assert(problem instanceof ProblemError);
console.log(problem.code, problem.field);
assert.equal(problem.code, "unknown_profile");
