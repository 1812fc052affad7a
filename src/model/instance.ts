// Who owns something on disk or in an engine: one process of ours, known by a random id and a lock the kernel holds.
// Its id names slots, cgroups, containers and staging folders, so that another process can tell the dead from the living.

export interface Instance {
  readonly id: string;
  /** Identity of the workspace root; leftovers of another root are never ours to judge. */
  readonly rootId: string;
}

/** Who owns files the program may write: a dedicated unprivileged uid where the host is root, else the caller. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}
