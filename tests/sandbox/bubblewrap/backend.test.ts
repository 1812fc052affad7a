// One sandbox after another with the real engine: what a program can see and do, and that nothing of it outlives its end.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isRoot, makeBackend, makeContext, makeProfile, makeRunDir, printedJson, run, start } from "./bed.js";

describe("a booted sandbox", () => {
  it("says hello, runs a program whose files are the host's, and leaves nothing behind", async () => {
    const context = makeContext();
    const backend = makeBackend(context);
    const code = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write("hi")\nprint("done")';
    const ran = await run(backend, context, code);
    expect(ran).toMatchObject({ stdout: "done\n", exit: { exitCode: 0, signal: null }, facts: { lost: null } });
    expect(ran.sandbox.python.path).toBe("/usr/bin/python3");
    expect(readFileSync(join(ran.dir, "out/a.txt"), "utf8")).toBe("hi");
    await backend.close();
    expect(readdirSync(context.slotsDir)).toEqual([]);
  });
});
