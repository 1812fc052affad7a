// The service's keys as the command line makes and lists them, and as the service asks for them. They are the workspace root's own state.
import { IsoError } from "../model/errors.js";
import { ApiKeys, type KeyWish } from "../records/api-keys.js";
import { processEnvironment } from "../settings/environment.js";
import { loadSettings, type Settings } from "../settings/settings.js";
import { locateLayout, openLayout } from "../workspace/layout.js";
import { checkUserId } from "../workspace/user-dir.js";

export type { ApiKey, ApiKeys } from "../records/api-keys.js";

type Roots = Pick<Settings, "workspaceRoot" | "sandboxRoot">;

/** Those of a root that is served; nothing is made. */
export function keysOf({ workspaceRoot, sandboxRoot }: Roots): ApiKeys {
  return new ApiKeys(locateLayout(workspaceRoot, sandboxRoot).state);
}

/** The roots are made where they are absent. */
export function makeApiKey(wish: KeyWish): ReturnType<ApiKeys["create"]> {
  if (wish.user !== null) checkUserId(wish.user);
  const { workspaceRoot, sandboxRoot } = ownSettings();
  return new ApiKeys(openLayout(workspaceRoot, sandboxRoot).state).create(wish);
}

export function listApiKeys(): ReturnType<ApiKeys["list"]> {
  return keysOf(ownSettings()).list();
}

/** By its id, or by the whole key, which is what somebody has who found it where it should not be. */
export function revokeApiKey(given: string): string {
  const id = /^iso_([0-9a-z]{12})_/.exec(given)?.[1] ?? given;
  if (keysOf(ownSettings()).revoke(id)) return id;
  throw new IsoError("not_found", `There is no key "${id.slice(0, 40)}".`, {
    hint: "`iso-runtime keys list` shows their ids: the part between the two underscores.",
  });
}

const ownSettings = (): Settings => loadSettings({ flags: {}, ...processEnvironment() });
