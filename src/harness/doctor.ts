// What works on this host, for `doctor`: opens the roots as a run would, asks every backend, runs nothing.
import { processEnvironment } from "../settings/environment.js";
import { loadSettings, type Settings, type SettingsFlags } from "../settings/settings.js";
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
  return await withBackends(flags, async (chooser, settings) => {
    const roots = { workspace: settings.workspaceRoot, sandbox: settings.sandboxRoot };
    const backends = await chooser.inspect();
    return { backends, chosen: await chooser.choice().catch(() => null), roots, notes: settings.notes };
  });
}

/** Makes what can be made without a choice of the operator's, and says what it does. */
export async function fixHost(flags: SettingsFlags, onLine: (line: string) => void): Promise<void> {
  await withBackends(flags, (chooser) => chooser.fix(onLine));
}

async function withBackends<T>(
  flags: SettingsFlags,
  act: (chooser: BackendChooser, settings: Settings) => Promise<T>,
): Promise<T> {
  const settings = loadSettings({ flags, ...processEnvironment() });
  const { workspaceRoot, sandboxRoot } = settings;
  await using store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, owner: fileOwner(settings) });
  const chooser = new BackendChooser(settings, store, []);
  try {
    return await act(chooser, settings);
  } finally {
    await chooser.close();
  }
}
