// The folder where compiled code is kept.
import { mkdirSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { processEnvironment } from "../settings/environment.js";

/** Made where it is absent; null where there is none that is this user's own, as for root with another's home. */
export function cacheFolder(
  env: Readonly<Record<string, string | undefined>> = processEnvironment().env,
): string | null {
  const { HOME: home, XDG_CACHE_HOME: named } = env;
  const base = named || (home ? join(home, ".cache") : null);
  // What is relative would be another folder in each place.
  if (base === null || !isAbsolute(base)) return null;
  const folder = join(base, "iso-runtime");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return [...(named ? [] : [home ?? "/"]), base, folder].every(isOwn) ? folder : null;
  } catch {
    return null;
  }
}

function isOwn(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}
