// Code that V8 compiled is kept for the next call, where Node can do that (22.8 and later). What is kept is run without being read
// again: only a folder that nobody else can have written to will do.
import { mkdirSync, statSync } from "node:fs";
import * as nodeModule from "node:module";
import { join } from "node:path";
import { processEnvironment } from "../settings/environment.js";

/** A cache that cannot be had is none; nothing is said of it. */
export function keepCompiledCode(): void {
  const enable: unknown = Reflect.get(nodeModule, "enableCompileCache");
  if (typeof enable !== "function") return;
  const folder = cacheFolder();
  if (folder !== null) enable(folder);
}

/** Made where it is absent; null where there is none that is this user's own, as for root with another's home. */
export function cacheFolder(
  env: Readonly<Record<string, string | undefined>> = processEnvironment().env,
): string | null {
  const { HOME: home, XDG_CACHE_HOME: named } = env;
  const base = named || (home ? join(home, ".cache") : null);
  if (base === null || base === undefined) return null;
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
