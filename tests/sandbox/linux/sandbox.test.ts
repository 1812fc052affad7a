// The end of a sandbox that fails once: whoever stops it hears of that, and whoever disposes of it tries again.
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { EngineLog } from "../../../src/sandbox/linux/engine-log.js";
import { LinuxSandbox, type SandboxParts } from "../../../src/sandbox/linux/sandbox.js";

function bed(failures: number) {
  const told = { kills: 0, gone: false };
  const nothing = () => undefined;
  const group = {
    ...{ folders: [], warnings: [], liftCpuLimit: nothing, counts: () => ({ oomKills: 0, processHits: 0 }) },
    async kill() {
      told.kills += 1;
      if (told.kills <= failures) throw new Error("not now");
    },
    remove: async () => true,
  };
  const control = new Socket();
  control.destroy();
  const engine = {
    ...{ control, ended: Promise.resolve(), lost: null, ref: nothing, unref: nothing, kill: nothing },
    ...{ endUnknown: async () => undefined, release: async () => undefined },
  };
  const slot = { dir: "/nowhere/slot" };
  const onGone = () => {
    told.gone = true;
  };
  const parts = {
    id: "one",
    profile: {},
    slot,
    user: { uid: 0, gid: 0 },
    group,
    engine,
    log: new EngineLog(null),
    onGone,
  };
  return { told, sandbox: new LinuxSandbox(parts as unknown as SandboxParts) };
}

describe("a sandbox whose end fails", () => {
  it("once is told so, and is ended when it is disposed of", async () => {
    const { told, sandbox } = bed(1);
    await expect(sandbox.stop()).rejects.toThrow("not now");
    await sandbox.dispose();
    expect(told).toEqual({ kills: 2, gone: true });
  });

  it("again keeps what it had, and is ended at the next attempt", async () => {
    const { told, sandbox } = bed(2);
    await expect(sandbox.dispose()).rejects.toThrow("not now");
    expect(told.gone).toBe(false);
    await sandbox.dispose();
    expect(told).toEqual({ kills: 3, gone: true });
  });
});
