// Faults of the disk below the history: what it did not take is not lost while the service lives, and what is damaged costs nothing else.
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openHistory } from "../support/history.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf } from "./bed.js";

type Bed = ReturnType<typeof bed>;

async function start(service: Bed, user = "alice") {
  expect((await service.ask("/v1/runs", { user, body: { code: "1" }, headers: ASYNC })).status).toBe(202);
  return service.runs.last;
}

const folderOf = (dir: string): string => {
  const [user] = readdirSync(join(dir, "runs"));
  return join(dir, "runs", user ?? "");
};

describe("a result that the disk did not take", () => {
  it.each(["something else could be written", "the service stops"])("is there as soon as %s", async (when) => {
    const dir = tempDir();
    const logged: string[] = [];
    const history = await openHistory(dir, { logged });
    const before = bed({ history });
    const run = await start(before);
    await jsonOf(await before.ask("/v1/runs"));
    const folder = folderOf(dir);
    renameSync(folder, `${folder}-gone`);
    writeFileSync(folder, "no folder");
    await run.end();
    // Nobody waits longer than for a few tries.
    await jsonOf(await before.ask("/v1/runs"));
    expect(logged).toEqual([expect.stringContaining("1 runs are not in the history")]);
    rmSync(folder);
    renameSync(`${folder}-gone`, folder);
    if (when === "the service stops") await history.close();
    else {
      await (await start(before, "bob")).end();
      await jsonOf(await before.ask("/v1/runs"));
      await jsonOf(await before.ask("/v1/runs"));
    }

    const after = bed({ history: await openHistory(dir, { id: "fedcba9876543210" }) });
    expect(await jsonOf(await after.ask(`/v1/runs/${run.runId}`))).toMatchObject({ status: "succeeded" });
    expect(await jsonOf(await after.ask("/v1/runs"))).toMatchObject({ runs: [{ status: "succeeded" }] });
  });
});
