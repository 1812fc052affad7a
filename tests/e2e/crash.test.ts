// kill -9 of the command line in the middle of a run that rewrites 300 files: the workspace is one whole version, the next run
// works, no process is left.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli, startCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { count } from "../support/soak.js";
import { suiteDir } from "../support/temp.js";

const FILES = 300;
const rewrite = (version: number) =>
  `import os\nfor i in range(${FILES}):\n    with open(os.path.join(os.environ["OUTPUT_DIR"], f"f{i:03}.txt"), "w") as f:\n        f.write("version ${version}\\n" * 20)\n`;

function versions(out: string): Set<string> {
  const names = readdirSync(out).filter((name) => name.endsWith(".txt"));
  expect(names).toHaveLength(FILES);
  return new Set(
    names.map((name) => {
      const lines = readFileSync(join(out, name), "utf8").trimEnd().split("\n");
      expect(lines).toHaveLength(20);
      expect(new Set(lines).size).toBe(1);
      return lines[0] ?? "";
    }),
  );
}

describe("kill -9 of the command line", () => {
  const roots = suiteDir();
  const rounds = count(6, 100);

  it(`leaves one whole version, ${rounds} times`, { timeout: rounds * 10_000 }, async () => {
    const first = await runCli(["run", "-u", "c", "-c", rewrite(0), "--json"], { roots });
    expect(first.status, first.stderr).toBe(0);
    const out = join(roots, "workspace/c/out");
    const startedAt = performance.now();
    expect((await runCli(["run", "-u", "c", "-c", rewrite(1), "--json"], { roots })).status).toBe(0);
    const wholeMs = performance.now() - startedAt;
    let killed = 0;
    for (let round = 2; round < rounds + 2; round += 1) {
      const before = [...versions(out)][0];
      const { child, done } = startCli(["run", "-u", "c", "-c", rewrite(round), "--json"], { roots });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * wholeMs));
      child.kill("SIGKILL");
      if ((await done).signal === "SIGKILL") killed += 1;
      const found = versions(out);
      expect(found.size).toBe(1);
      expect([before, `version ${round}`]).toContain([...found][0]);
      expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    }
    expect(killed).toBeGreaterThan(0);
    const after = await runCli(["run", "-u", "c", "-c", rewrite(9999), "--json"], { roots });
    expect(after.status, after.stderr).toBe(0);
    expect(versions(out)).toEqual(new Set(["version 9999"]));
    for (const place of ["workspace/.iso-runtime/staging", "sandbox/.iso-runtime/slots"]) {
      expect(readdirSync(join(roots, place)), place).toEqual([]);
    }
  });
});
