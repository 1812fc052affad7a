// A burst on real sandboxes: each is used once, by one user alone, and nothing is left.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRuntime, type RunEvent } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { suiteDir } from "../support/temp.js";
import { tracesOf } from "../support/traces.js";

const USERS = 8;
const EACH = 5;
/** Finds what an earlier run in the same sandbox would have left, in memory, on disk and in its processes. */
const CODE = `
import builtins, glob, os
print(hasattr(builtins, "left"), glob.glob("/tmp/*"), glob.glob("/dev/shm/*"), sorted(os.listdir(os.environ["WORKDIR"])))
builtins.left = 1
for folder in ("/tmp", "/dev/shm", os.environ["WORKDIR"]):
    open(folder + "/left", "w").close()
if os.fork() == 0:
    import time
    time.sleep(600)`;

describe.each(realBackends().filter((name) => name !== "docker"))("a burst on %s", (backend) => {
  const roots = suiteDir();

  it(`of ${USERS * EACH} runs of ${USERS} users`, async () => {
    const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
    const runtime = await createRuntime({ backend, workspaceRoot, sandboxRoot });
    await runtime.warm();
    const runs = Array.from({ length: USERS * EACH }, async (_, n) => {
      const request = { userId: `user-${n % USERS}`, workspace: null, code: CODE };
      const events: RunEvent[] = [];
      for await (const event of runtime.stream(request)) events.push(event);
      return events;
    });
    // One leaves while it waits; the others do not notice.
    const left = new AbortController();
    const gone = runtime.run({ userId: "user-0", workspace: null, code: CODE, signal: left.signal });
    left.abort();
    const sandboxes: (string | undefined)[] = [];
    for (const events of await Promise.all(runs)) {
      const last = events.at(-1);
      const result = last?.type === "run.finished" ? last.result : null;
      expect(result, JSON.stringify(result?.error)).toMatchObject({ status: "succeeded" });
      expect(result?.output.stdout.text).toBe("False [] [] ['main.py']\n");
      sandboxes.push(/sandbox (\w+) on/.exec(result?.diagnostics.infraLog ?? "")?.[1]);
    }
    expect(await gone).toMatchObject({ status: "cancelled" });
    expect(sandboxes).not.toContain(undefined);
    expect(new Set(sandboxes).size).toBe(USERS * EACH);
    await runtime.close();
    expect(await tracesOf(roots)).toEqual([]);
    expect(readdirSync(sandboxRoot)).toEqual([".iso-runtime"]);
  });
});
