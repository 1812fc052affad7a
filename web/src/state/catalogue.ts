// What runs may be asked with: the same for every user, and read once.
import { signal } from "@preact/signals";
import { askJson } from "../api/http.js";
import type { Profiles, Scenario, Tool } from "../api/types.js";

export const scenarios = signal<Scenario[] | null>(null);
export const profiles = signal<Profiles | null>(null);
export const tools = signal<Tool[] | null>(null);
export const catalogueFailure = signal<unknown>(null);

export async function loadCatalogue(): Promise<void> {
  catalogueFailure.value = null;
  try {
    const common = { common: true };
    const [ofScenarios, ofProfiles, ofTools] = await Promise.all([
      askJson<{ scenarios: Scenario[] }>("/v1/scenarios", common),
      askJson<Profiles>("/v1/profiles", common),
      askJson<{ tools: Tool[] }>("/v1/tools", common),
    ]);
    scenarios.value = ofScenarios.scenarios;
    profiles.value = ofProfiles;
    tools.value = ofTools.tools;
  } catch (error) {
    catalogueFailure.value = error;
  }
}
