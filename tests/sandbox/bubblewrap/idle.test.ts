// A warm sandbox must not keep its host's process alive: a program that only boots one has to end by itself.
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { planCgroups } from "../../../src/sandbox/bubblewrap/cgroup.js";
import { REAL_HOST } from "../../../src/sandbox/bubblewrap/cgroup-host.js";
import { tempDir } from "../../support/temp.js";
import { isRoot, makeBackend, makeContext, makeProfile } from "./bed.js";

const BACKEND = fileURLToPath(new URL("../../../src/sandbox/bubblewrap/backend.ts", import.meta.url));
const JITI = fileURLToPath(import.meta.resolve("jiti"));

it("lets a process end that has a sandbox waiting, and the next one clears up behind it", async () => {
  const context = makeContext();
  const script = join(tempDir(), "idle.mjs");
  writeFileSync(
    script,
    `import { createJiti } from ${JSON.stringify(JITI)};
const { BubblewrapBackend } = await createJiti(import.meta.url).import(${JSON.stringify(BACKEND)});
const backend = new BubblewrapBackend(${JSON.stringify(context)});
await backend.boot(${JSON.stringify(makeProfile())});
console.log("booted");
`,
  );
  const ran = spawnSync(process.execPath, [script], { encoding: "utf8", timeout: 25_000 });
  expect(ran).toMatchObject({ stdout: "booted\n", stderr: "", status: 0, signal: null });
  await makeBackend(context).reap(async () => false);
  const { places } = planCgroups(REAL_HOST, isRoot);
  const left = [...places.values()].flatMap((dir) => readdirSync(dir, { recursive: true, encoding: "utf8" }));
  expect(left.filter((path) => path.includes(context.instance.id))).toEqual([]);
});
