// Many users at once, and one user from two processes: nothing mixed, nothing lost, in order.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { runCli } from "../support/cli.js";
import { suiteDir } from "../support/temp.js";

const append = (line: string) =>
  `import os\nwith open(os.path.join(os.environ["OUTPUT_DIR"], "log.txt"), "a") as f:\n    f.write(${JSON.stringify(`${line}\n`)})\nprint(os.environ["USER_ID"], sorted(os.listdir(os.environ["OUTPUT_DIR"])))`;

describe.each(realBackends())("users on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({
      backend,
      workspaceRoot: join(roots, "workspace"),
      sandboxRoot: join(roots, "sandbox"),
    });
  });
  afterAll(() => runtime?.close());

  it("ten users, three runs each, all at once", async () => {
    const users = Array.from({ length: 10 }, (_, index) => `user${index}`);
    const runs = users.flatMap((userId) =>
      [1, 2, 3].map((turn) => runtime.run({ userId, code: append(`${userId} turn ${turn}`), workspace: undefined })),
    );
    for (const result of await Promise.all(runs)) expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    for (const userId of users) {
      const log = readFileSync(join(roots, "workspace", userId, "out/log.txt"), "utf8");
      expect(log).toBe([1, 2, 3].map((turn) => `${userId} turn ${turn}\n`).join(""));
    }
  });

  it("one user, five runs at once from two processes", async () => {
    const one = [1, 2, 3].map((n) => runtime.run({ userId: "shared", code: append(`library ${n}`) }));
    const two = [1, 2].map((n) =>
      runCli(["run", "-u", "shared", "-c", append(`cli ${n}`), "--json", "--backend", backend], { roots }),
    );
    for (const result of await Promise.all(one)) expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    for (const result of await Promise.all(two)) expect(result.status, result.stderr + result.stdout).toBe(0);
    const lines = readFileSync(join(roots, "workspace/shared/out/log.txt"), "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines.filter((line) => line.startsWith("library"))).toEqual(["library 1", "library 2", "library 3"]);
  });

  it("a user's other workspaces, and none at all", async () => {
    const main = await runtime.run({ userId: "w", code: append("main") });
    const scratch = await runtime.run({ userId: "w", code: append("scratch"), workspace: "scratch" });
    const nothing = await runtime.run({ userId: "w", code: append("nothing"), workspace: null });
    expect([main, scratch, nothing].map((result) => result.status)).toEqual(["succeeded", "succeeded", "succeeded"]);
    expect(nothing.output.stdout.text).toBe("w ['log.txt']\n");
    expect(nothing.workspace).toMatchObject({ synced: false });
    expect(readFileSync(join(roots, "workspace/w/out/log.txt"), "utf8")).toBe("main\n");
    expect(readFileSync(join(roots, "workspace/w.scratch/out/log.txt"), "utf8")).toBe("scratch\n");
  });
});
