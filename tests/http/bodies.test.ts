// What bodies cost while they come, and while what they asked for is waited for.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { MiB } from "../../src/model/limits.js";
import { ApiKeys } from "../../src/records/api-keys.js";
import { tempDir } from "../support/temp.js";
import { bed, HOST, jsonOf, problemIn } from "./bed.js";

setFlagsFromString("--expose_gc");
const collect: () => void = runInNewContext("gc");

describe("bodies", () => {
  it("that come are together no more than there is room for, and of one caller no more than a part", async () => {
    const keys = new ApiKeys(tempDir());
    const wish = { readOnly: false, label: "", expiresAt: null };
    const of = (user: string) => keys.create({ ...wish, user }).key;
    const { app, runs } = bed({ keys });
    const chunk = Buffer.alloc(15 * MiB, " ");
    /** Sends all of it but the end. */
    const begin = (key: string) => {
      let end = (_rest: string) => {};
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(chunk);
          end = (rest) => {
            controller.enqueue(Buffer.from(rest));
            controller.close();
          };
        },
      });
      const headers = { Host: HOST, Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
      const init = { method: "POST", headers, body, duplex: "half" };
      const answer = Promise.resolve(app.request(`http://${HOST}/v1/runs`, init as RequestInit));
      return { answer, end: (rest: string) => end(rest) };
    };
    const settled = () => new Promise((resolve) => setTimeout(resolve, 100));
    const [alice, second] = [of("alice"), of("alice")];
    const begun = [alice, second, alice, alice].map((key) => begin(key));
    await settled();
    // Another key of the same user is the same caller.
    expect(await problemIn(await begin(second).answer)).toMatchObject({ status: 429, code: "too_busy" });
    for (const user of ["b", "c", "d"]) for (let count = 0; count < 4; count += 1) begun.push(begin(of(user)));
    begun.push(begin(of("e")));
    await settled();
    expect(await problemIn(await begin(of("f")).answer)).toMatchObject({ status: 429, code: "too_busy" });
    for (const { end } of begun) end("{");
    for (const { answer } of begun) expect(await problemIn(await answer)).toMatchObject({ code: "invalid_request" });
    // All of it is let go of.
    const again = begin(of("f"));
    await settled();
    again.end('{"code":"1"}');
    await expect.poll(() => runs.begun.length).toBe(1);
    await runs.last.end();
    expect((await again.answer).status).toBe(200);
  });

  it("are not held by those that wait for the same run", async () => {
    const { ask, runs } = bed();
    const body = JSON.stringify({ code: "#".repeat(4_000_000) });
    const start = () =>
      ask("/v1/runs", { body, headers: { "Idempotency-Key": "one", "Content-Type": "application/json" } });
    const first = start();
    await expect.poll(() => runs.begun.length).toBe(1);
    collect();
    const before = process.memoryUsage().heapUsed;
    const waiting: ReturnType<typeof start>[] = [];
    for (let count = 0; count < 30; count += 1) {
      waiting.push(start());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    collect();
    expect((process.memoryUsage().heapUsed - before) / MiB).toBeLessThan(30);
    await runs.last.end();
    const { runId } = await jsonOf(await first);
    for (const response of await Promise.all(waiting)) expect((await jsonOf(response)).runId).toBe(runId);
  });

  it("that break off are no fault of the service's", async () => {
    const { app, logged, told } = bed();
    const body = new ReadableStream({ start: (controller) => controller.error(new Error("aborted")) });
    const headers = { Host: HOST, Authorization: "Bearer a-token-of-tests", "Content-Type": "application/json" };
    const init = { method: "POST", headers, body, duplex: "half" };
    const response = await app.request(`http://${HOST}/v1/runs?user=alice`, init as RequestInit);
    expect(await problemIn(response)).toMatchObject({ status: 400, code: "invalid_request" });
    expect(logged).toEqual([]);
    expect(told).toMatchObject([{ level: "info" }]);
  });
});
