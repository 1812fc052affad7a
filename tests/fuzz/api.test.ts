// A fuzzer that is not ours reads /openapi.json and asks the built service whatever comes to its mind: no answer may be a fault of the
// service's, none may be other than it is described, and the service is as well afterwards as before. It runs beside the other tests.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pythonTools } from "../../scripts/python-tools.mjs";
import { leftOver } from "../support/processes.js";
import { jsonOf, startService } from "../support/service.js";
import { count } from "../support/soak.js";
import { tempFiles } from "../support/temp.js";

const PACKAGES = ["schemathesis==4.32.5"];
const SECONDS = Number(process.env.ISO_RUNTIME_TEST_FUZZ_SECONDS ?? count(120, 900));
/** The same cases each time, as far as the time reaches; the full count looks for others. */
const SEED = count(["--seed", "20"], []);
/** It finds code of scenarios in answers and has it run: an endless one is over soon. */
const CONFIG = { profiles: { short: { backend: "bubblewrap", timeout: 2 } } };
/** Whether what fits its schema is accepted is not asked: that a user id is in normal form, or a path stays in its folder, no schema says. */
const LEFT_OUT = "positive_data_acceptance";

interface Ended {
  status: number | null;
  said: string;
}

function fuzz(bin: string, cwd: string, args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH ?? "", HOME: cwd, PYTHONUNBUFFERED: "1" };
    const child = spawn(join(bin, "schemathesis"), ["--no-color", "run", ...args], { cwd, env });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    }
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, said }));
  });
}

it(`answers ${SECONDS} seconds of anything as it is described`, {
  timeout: (SECONDS + 240) * 1000,
}, async (context) => {
  const { missing, bin } = pythonTools("fuzz", PACKAGES);
  if (missing !== null) {
    console.warn(`################ The API was NOT fuzzed: skipped ################\n${missing}`);
    return context.skip();
  }
  const roots = tempFiles({ "config.json": JSON.stringify(CONFIG), "fuzzer/.keep": "" });
  // One backend: the scenario that asks for Docker is then a bad request, wherever this runs.
  const service = await startService({ roots }, "--config", join(roots, "config.json"), "--profile", "short");
  const { paths } = await jsonOf(await service.ask("/openapi.json"));
  const operations = Object.values<object>(paths).flatMap((methods) => Object.keys(methods)).length;

  const { status, said } = await fuzz(bin, join(roots, "fuzzer"), [
    new URL("/openapi.json", service.url).href,
    ...["--header", `Authorization: Bearer ${service.token}`, "--max-time", String(SECONDS)],
    ...["--exclude-checks", LEFT_OUT, "--continue-on-failure", "--request-timeout", "60"],
    ...["--generation-database", "none", "--warnings", "off", ...SEED],
  ]);
  expect(status, said).toBe(0);
  console.log(said.slice(said.indexOf("SUMMARY")));
  expect(said).toMatch(new RegExp(`Tested: +${operations}$`, "m"));
  expect(Number(/(\d+) generated/.exec(said)?.[1])).toBeGreaterThan(500);

  const metrics = await (await service.ask("/metrics")).text();
  expect(Number(/^iso_runtime_runs_total\{status="failed"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
  const after = await jsonOf(await service.ask("/v1/runs", { body: { userId: "after", code: "print(1)" } }));
  expect(after).toMatchObject({ ok: true });
  service.child.kill("SIGTERM");
  const { status: exit, stderr } = await service.done;
  expect(exit, stderr).toBe(0);
  // What it says of itself is faults of its own.
  expect(stderr).not.toMatch(/Error|\bat .*\.js:/);
  expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
});
