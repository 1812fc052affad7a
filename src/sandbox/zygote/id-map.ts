// The ids of a launcher's user namespace: itself as its root, and every id a sandbox may be given as what it is.

/** The kernel takes 340 lines; a range of ours in more pieces than this is used as far as it goes. */
const MAX_LINES = 300;

/** The text for `/proc/<pid>/uid_map`, and for groups as well; `ids` ascend. */
export function idMapFor(own: number, ids: readonly number[]): string {
  const lines = [`0 ${own} 1`];
  let first: number | null = null;
  ids.forEach((id, place) => {
    if (id === own) return;
    first ??= id;
    const next = ids[place + 1];
    if (next === id + 1 && next !== own) return;
    lines.push(`${first} ${first} ${id - first + 1}`);
    first = null;
  });
  return `${lines.slice(0, MAX_LINES).join("\n")}\n`;
}
