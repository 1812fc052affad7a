// The README's example: one run through the library. It asserts what it shows, and exits non-zero where that is not so.
import assert from "node:assert/strict";
import { createRuntime } from "iso-runtime";

const runtime = await createRuntime();
const result = await runtime.run({
  userId: "alice",
  code: `
import csv, os
with open(os.path.join(os.environ["OUTPUT_DIR"], "totals.csv"), "w", newline="") as f:
    csv.writer(f).writerows([["city", "total"], ["Lisbon", 7]])
print("wrote totals.csv")
`,
  contract: [{ path: "totals.csv", description: "totals by city", columns: ["city", "total"] }],
  timeoutMs: 10_000,
});
console.log(result.status, result.contract[0].status, result.changes, result.workspace.synced);
await runtime.close();

assert.equal(result.status, "succeeded");
assert.equal(result.output.stdout.text, "wrote totals.csv\n");
