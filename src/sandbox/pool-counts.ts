// How many sandboxes wait, boot and are in use, for whoever watches over the host: by backend and profile, never by tenant.
import type { Shelf } from "./shelves.js";

export interface PoolCounts {
  readonly backend: string;
  readonly profile: string;
  /** Wait ready. */
  readonly ready: number;
  /** Are being booted ahead of need. */
  readonly booting: number;
  /** A run has one, or stands in line for one. */
  readonly users: number;
}

export function countShelves(shelves: Iterable<Shelf>): PoolCounts[] {
  const found = new Map<string, PoolCounts>();
  for (const { backend, profile, idle, booting, users } of shelves) {
    const key = JSON.stringify([backend.name, profile.name]);
    const known = found.get(key) ?? { backend: backend.name, profile: profile.name, ready: 0, booting: 0, users: 0 };
    found.set(key, {
      ...known,
      ready: known.ready + idle.length,
      booting: known.booting + booting,
      users: known.users + users,
    });
  }
  return [...found.values()].sort((a, b) => (`${a.backend} ${a.profile}` < `${b.backend} ${b.profile}` ? -1 : 1));
}
