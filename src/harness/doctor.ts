// What works on this host, for `doctor`: opens the roots as a run would, asks every backend, runs nothing.
import { loadSettings, processEnvironment, type SettingsFlags } from "../settings/settings.js";
import { WorkspaceStore } from "../workspace/store.js";
import { BackendChooser, type Choice, fileOwner, type HostBackend } from "./backend-chooser.js";

export interface HostReport {
  backends: HostBackend[];
  /** What `auto` takes here; null when nothing works. */
  chosen: Choice | null;
  roots: { workspace: string; sandbox: string };
  notes: string[];
}

export async function inspectHost(flags: SettingsFlags = {}): Promise<HostReport> {
  const settings = loadSettings({ flags, ...processEnvironment() });
  const { workspaceRoot, sandboxRoot } = settings;
  await using store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, owner: fileOwner(settings) });
  const chooser = new BackendChooser(settings, store, []);
  try {
    const backends = await chooser.inspect();
    const chosen = await chooser.choice().catch(() => null);
    return { backends, chosen, roots: { workspace: workspaceRoot, sandbox: sandboxRoot }, notes: settings.notes };
  } finally {
    await chooser.close();
  }
}
