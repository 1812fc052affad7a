// kill -9 of the service while it is under load: every run that it accepted has a true end afterwards, and every workspace is whole.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { leftOver } from "../support/processes.js";
import { jsonOf, startService } from "../support/service.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";

const USERS = 8;
const FILES = 20;
const KILLS = count(2, 20);
/** Every file has the run's own word: files of two runs beside each other would be no state that any run left. */
const rewrites = (word: string) => `import os
base = os.environ["OUTPUT_DIR"]
for n in range(${FILES}):
    open(f"{base}/{n}.txt", "w").write("${word}")
print("${word}")
`;
const waits = (word: string) => `import time\nprint("${word}", flush=True)\ntime.sleep(20)`;

describe("the service, killed under load", () => {
  it(`tells the truth of every run that it accepted, ${KILLS} times`, {
    timeout: 60_000 + KILLS * 15_000,
  }, async () => {
    const roots = tempDir();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const accepted: { user: string; runId: string; word: string }[] = [];
      const answered = new Map<string, unknown>();
      const service = await startService({ roots });
      let isOver = false;
      const client = async (number: number) => {
        const user = `user-${number}`;
        for (let turn = 0; !isOver; turn += 1) {
          const word = `k${kill}-u${number}-t${turn}`;
          const isAsync = turn % 3 !== 0;
          const response = await service.ask("/v1/runs", {
            body: { userId: user, code: number === 0 && isAsync ? waits(word) : rewrites(word) },
            headers: isAsync ? { Prefer: "respond-async" } : {},
          });
          const { status } = response;
          const body = await jsonOf(response);
          if (status === 200 || status === 202) accepted.push({ user, runId: body.runId, word });
          if (status === 200) answered.set(body.runId, body);
          // One that is refused for now, or has enough on its way.
          await sleep(status === 429 ? 200 : 30);
        }
      };
      // A connection that the kill cuts is this client's end.
      const clients = Array.from({ length: USERS }, (_, number) => client(number).catch(() => undefined));
      await expect.poll(() => accepted.length, { timeout: 20_000 }).toBeGreaterThan(USERS);
      await sleep(Math.random() * 1500);
      service.child.kill("SIGKILL");
      isOver = true;
      await Promise.all(clients);
      await service.done;
      expect(await leftOver(join(roots, "sandbox"))).toEqual([]);

      const next = await startService({ roots });
      const endings = new Map<string, number>();
      const finished = new Set<string>();
      for (const { user, runId, word } of accepted) {
        const result = await jsonOf(await next.ask(`/v1/runs/${runId}?user=${user}`));
        const ending = result.ok ? "succeeded" : `${result.status} ${result.error?.code}`;
        endings.set(ending, (endings.get(ending) ?? 0) + 1);
        expect(ending).toMatch(/^(succeeded|failed interrupted)$/);
        if (result.ok) {
          expect(result.output.stdout.text).toBe(`${word}\n`);
          finished.add(user);
        }
        // What was told before is what is told after.
        if (answered.has(runId)) expect(result).toEqual(answered.get(runId));
      }
      expect(endings.get("succeeded")).toBeGreaterThan(0);
      for (let number = 1; number < USERS; number += 1) {
        const live = join(roots, `workspace/user-${number}/out`);
        const names = existsSync(live) ? readdirSync(live) : [];
        const words = new Set(names.map((name) => readFileSync(join(live, name), "utf8")));
        // Empty is a whole version too, as long as no run of this user came to its end.
        const isEmpty = words.size === 0 && !finished.has(`user-${number}`);
        if (!isEmpty) expect(names.length).toBe(FILES);
        expect(words.size).toBe(isEmpty ? 0 : 1);
        const again = await next.ask("/v1/runs", { body: { userId: `user-${number}`, code: "print(1)" } });
        expect(await jsonOf(again)).toMatchObject({ ok: true });
      }
      next.child.kill("SIGTERM");
      await next.done;
    }
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });
});
