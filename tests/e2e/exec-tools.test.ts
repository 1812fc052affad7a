// The seed's two entry points: the process's own runtime, made from environment and configuration at the first call.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execTools } from "../../src/index.js";
import { suiteDir } from "../support/temp.js";

const code = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write(os.environ["TURN_ID"])';

describe("execTools", () => {
  const roots = suiteDir();
  beforeAll(() => {
    process.env.ISO_RUNTIME_USER_WORKSPACE_ROOT = join(roots, "workspace");
    process.env.ISO_RUNTIME_SANDBOX_ROOT = join(roots, "sandbox");
  });
  afterAll(async () => {
    await execTools.close();
    delete process.env.ISO_RUNTIME_USER_WORKSPACE_ROOT;
    delete process.env.ISO_RUNTIME_SANDBOX_ROOT;
  });

  it("runExecTool holds the program to its contract", async () => {
    const request = {
      userId: "seed",
      turnId: "t7",
      code,
      progName: "prog",
      labels: { team: "red" },
      env: { TOKEN: "secret" },
    };
    const kept = await execTools.runExecTool({ ...request, contract: [{ path: "a.txt", description: "a" }] });
    expect(kept).toMatchObject({ status: "succeeded", mode: "contract", contract: [{ status: "satisfied" }] });
    expect(kept.diagnostics.infraLog).toMatch(/\[runtime\] sandbox .* on (zygote|bubblewrap|docker)/);
    expect(readFileSync(join(roots, "workspace/seed/out/a.txt"), "utf8")).toBe("t7");
    const missed = await execTools.runExecTool({ ...request, contract: [{ path: "b.txt", description: "b" }] });
    expect(missed).toMatchObject({ status: "failed", error: { code: "contract_unmet" } });
    const history = readFileSync(join(roots, "workspace/.iso-runtime/history.jsonl"), "utf8");
    expect(JSON.parse(history.split("\n")[0] ?? "")).toMatchObject({
      labels: { team: "red" },
      envNames: ["TOKEN"],
      progName: "prog",
    });
    expect(history).not.toContain("secret");
  });

  it("runExecTool demands a contract", async () => {
    const result = await execTools.runExecTool({ userId: "seed", code, contract: [] });
    expect(result).toMatchObject({ status: "rejected", error: { code: "contract_invalid" } });
  });

  it("runExecToolNoContract lists what changed", async () => {
    const result = await execTools.runExecToolNoContract({ userId: "other", turnId: "t8", code });
    expect(result).toMatchObject({ status: "succeeded", mode: "side-effects", contract: [] });
    expect(result.changes.created.map((file) => file.path)).toEqual(["a.txt"]);
  });
});
