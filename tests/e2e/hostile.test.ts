// The hostile suite: every attack of ./hostile on every real backend, several at a time. Nothing gets out, every ending is true,
// and nothing is left: processes, mounts, control groups, containers, folders are counted by facts of the host.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { leftOver } from "../support/processes.js";
import { suiteDir } from "../support/temp.js";
import { type Attack, endingOf } from "./hostile/attack.js";
import { ENDINGS } from "./hostile/endings.js";
import { ESCAPES } from "./hostile/escape.js";
import { Host } from "./hostile/host.js";
import { HOST_TOOLS } from "./hostile/host-tools.js";
import { containersOf, controlGroupsOf, mountsOf } from "./hostile/leftovers.js";
import { PROTOCOL } from "./hostile/protocol.js";
import { RESOURCES } from "./hostile/resources.js";
import { SECRETS } from "./hostile/secrets.js";

const MiB = 1024 * 1024;
/** Small, so that each limit is met within a second or two and several attacks fit into any machine at once. */
const PROFILE = { memory: 128 * MiB, processes: 32, disk: 24 * MiB, files: 500 };
const ATTACKS: readonly Attack[] = [...ESCAPES, ...SECRETS, ...ENDINGS, ...PROTOCOL, ...RESOURCES];

describe.each(realBackends())("hostile code on %s", (backend) => {
  const roots = suiteDir();
  const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
  let runtime: Runtime;
  let host: Host;
  const late: { name: string; lateMs: number }[] = [];
  beforeAll(async () => {
    host = await Host.open(join(roots, "host"));
    runtime = await createRuntime({
      ...{ backend, workspaceRoot, sandboxRoot, warm: 2, tools: HOST_TOOLS },
      config: { profiles: { hostile: { ...PROFILE, output: 16 * MiB, backend } }, defaultProfile: "hostile" },
    });
  });
  afterAll(async () => {
    const worst = late.sort((a, b) => b.lateMs - a.lateMs).slice(0, 3);
    const told = worst.map(({ name, lateMs }) => `${Math.round(lateMs)} ms (${name})`).join(", ");
    console.log(`${backend}: ${late.length} ended by their deadline, the last ones so long after it: ${told}`);
    host.close();
    await runtime?.close();
    const rootId = readFileSync(join(workspaceRoot, ".iso-runtime/root-id"), "utf8").trim();
    expect(await leftOver(sandboxRoot)).toEqual([]);
    expect(mountsOf(roots)).toEqual([]);
    expect(controlGroupsOf(rootId)).toEqual([]);
    if (backend === "docker") expect(await containersOf(rootId)).toEqual([]);
    for (const folder of ["building", "runs", "slots"])
      expect(readdirSync(join(sandboxRoot, ".iso-runtime", folder))).toEqual([]);
  });

  it.concurrent.each(ATTACKS.map((attack) => [attack.name, attack] as const))(
    "%s",
    async (_name, { again, ...attack }) => {
      await expectEnding(attack);
      if (again) await expectEnding({ ...attack, prints: "", check: undefined, ...again });
    },
  );

  async function expectEnding({ name, code, ends, prints, request, check }: Attack): Promise<void> {
    const userId = name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .slice(0, 60);
    const env = { ...host.facts, ...request?.env };
    const result = await runtime.run({ timeoutMs: 60_000, ...request, env, userId, code });
    if (result.status === "timed_out" && request?.timeoutMs !== undefined && !/beside a tool call/.test(name))
      late.push({ name, lateMs: (result.timings?.runMs ?? 0) - request.timeoutMs });
    const said = result.output.stdout.text.trim();
    const shown = `${said}\n${JSON.stringify(result.error)}\n${result.output.stderr.text.slice(-2000)}`;
    if (typeof ends === "string") expect(endingOf(result), shown).toBe(ends);
    else expect(endingOf(result), shown).toMatch(ends);
    if (typeof prints === "string") expect(said, shown).toBe(prints);
    else if (prints) for (const line of said.split("\n")) expect(line, shown).toMatch(prints);
    await check?.({ result, workspace: join(workspaceRoot, userId, "out") });
  }
});
