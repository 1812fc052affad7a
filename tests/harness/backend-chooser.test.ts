// What a process that makes one run believes of an earlier one about backends, and what becomes of it where that was wrong.
import { join } from "node:path";
import { expect, it } from "vitest";
import { BackendChooser, fileOwner } from "../../src/harness/backend-chooser.js";
import { IsoError } from "../../src/model/errors.js";
import { loadSettings } from "../../src/settings/settings.js";
import { WorkspaceStore } from "../../src/workspace/store.js";
import { CountingBackend } from "../sandbox/counting-backend.js";
import { tempDir } from "../support/temp.js";

class ProbedBackend extends CountingBackend {
  usable = true;
  probes = 0;

  override async probe() {
    this.probes += 1;
    const check = { name: "trial", status: this.usable ? "ok" : "fail", message: "as the test says" } as const;
    return { usable: this.usable, checks: [check] };
  }
}

function makeHost() {
  const root = tempDir();
  const [zygote, bubblewrap] = [new ProbedBackend("zygote"), new ProbedBackend("bubblewrap")];
  const env = { ISO_RUNTIME_USER_WORKSPACE_ROOT: join(root, "w"), ISO_RUNTIME_SANDBOX_ROOT: join(root, "s") };
  /** What a process finds: its own chooser over the same roots. */
  async function inProcess<T>(act: (chooser: BackendChooser) => Promise<T>, isForOne = true): Promise<T> {
    const settings = loadSettings({ flags: {}, env, cwd: root });
    const { workspaceRoot, sandboxRoot } = settings;
    await using store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, owner: fileOwner(settings) });
    const chooser = new BackendChooser(settings, store, [zygote, bubblewrap], {}, { isForOne });
    try {
      return await act(chooser);
    } finally {
      await chooser.close();
    }
  }
  return { zygote, bubblewrap, inProcess };
}

const refusing = (acted: string[]) => async (backend: { name: string }) => {
  acted.push(backend.name);
  if (backend.name === "zygote") throw new IsoError("sandbox_unavailable", "no launcher");
  return backend.name;
};

it("is not probed again for the next single run, and always for a process that stays", async () => {
  const { zygote, inProcess } = makeHost();
  for (let n = 0; n < 3; n++) expect((await inProcess((chooser) => chooser.choice())).name).toBe("zygote");
  expect(zygote.probes).toBe(1);
  await inProcess((chooser) => chooser.choice(), false);
  expect(zygote.probes).toBe(2);
});

it("is given up where it does not work any more, and the run is made by another one", async () => {
  const { zygote, inProcess } = makeHost();
  await inProcess((chooser) => chooser.choice());
  zygote.usable = false;
  const acted: string[] = [];
  const made = await inProcess(async (chooser) => [
    await chooser.withBackend("auto", refusing(acted), () => true),
    (await chooser.choice()).why,
  ]);
  expect(made).toEqual(["bubblewrap", "bubblewrap works here; zygote: as the test says"]);
  expect(acted).toEqual(["zygote", "bubblewrap"]);
  // And the next process is not misled.
  expect((await inProcess((chooser) => chooser.choice())).name).toBe("bubblewrap");
});

it("is not tried again where it still is the best, nor where something was touched, nor where it was named", async () => {
  const { zygote, inProcess } = makeHost();
  await inProcess((chooser) => chooser.choice());
  for (const [name, mayRepeat, usable] of [
    ["auto", true, true],
    ["auto", false, false],
    ["zygote", true, false],
  ] as const) {
    zygote.usable = usable;
    const acted: string[] = [];
    const making = inProcess((chooser) => chooser.withBackend(name, refusing(acted), () => mayRepeat));
    await expect(making).rejects.toThrow("no launcher");
    expect(acted).toEqual(["zygote"]);
  }
});

it("is probed anew where it was another one than the best", async () => {
  const { zygote, inProcess } = makeHost();
  zygote.usable = false;
  expect((await inProcess((chooser) => chooser.choice())).name).toBe("bubblewrap");
  zygote.usable = true;
  expect((await inProcess((chooser) => chooser.choice())).name).toBe("zygote");
});
