// A tree out of paths, folders first; a folder that holds one folder alone is one line with it.

export interface TreeFile<T> {
  name: string;
  item: T;
}

export interface TreeFolder<T> {
  name: string;
  path: string;
  folders: TreeFolder<T>[];
  files: TreeFile<T>[];
}

export function treeOf<T extends { path: string }>(items: readonly T[]): TreeFolder<T> {
  const root: TreeFolder<T> = { name: "", path: "", folders: [], files: [] };
  const known = new Map<string, TreeFolder<T>>([["", root]]);
  const folderAt = (path: string): TreeFolder<T> => {
    const found = known.get(path);
    if (found !== undefined) return found;
    const cut = path.lastIndexOf("/");
    const made: TreeFolder<T> = { name: path.slice(cut + 1), path, folders: [], files: [] };
    known.set(path, made);
    folderAt(cut < 0 ? "" : path.slice(0, cut)).folders.push(made);
    return made;
  };
  for (const item of items) {
    const cut = item.path.lastIndexOf("/");
    folderAt(cut < 0 ? "" : item.path.slice(0, cut)).files.push({ name: item.path.slice(cut + 1), item });
  }
  return sorted(root);
}

function sorted<T>(folder: TreeFolder<T>): TreeFolder<T> {
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const folders = folder.folders.map(sorted).map(joined).sort(byName);
  return { ...folder, folders, files: folder.files.sort(byName) };
}

function joined<T>(folder: TreeFolder<T>): TreeFolder<T> {
  const [only] = folder.folders;
  if (only === undefined || folder.folders.length > 1 || folder.files.length > 0) return folder;
  return { ...only, name: `${folder.name}/${only.name}` };
}
