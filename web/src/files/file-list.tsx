// The files as a tree whose folders open and close.
import { useSignal } from "@preact/signals";
import type { Files } from "../api/types.js";
import { type TreeFolder, treeOf } from "../report/file-tree.js";
import { bytes } from "../ui/format.js";
import { Icon } from "../ui/icon.js";

type File = Files["files"][number];

interface ListOptions {
  files: File[];
  chosen: string;
  onChoose: (path: string) => void;
  hasMore: boolean;
}

export function FileList({ files, chosen, onChoose, hasMore }: ListOptions) {
  return (
    <nav class="file-list" aria-label="Files">
      <Folder folder={treeOf(files)} chosen={chosen} onChoose={onChoose} />
      {hasMore && <p class="quiet pad">There are more; the first {files.length} are listed.</p>}
    </nav>
  );
}

const OPEN_UP_TO = 40;

interface FolderOptions {
  folder: TreeFolder<File>;
  chosen: string;
  onChoose: (path: string) => void;
}

function Folder({ folder, chosen, onChoose }: FolderOptions) {
  return (
    <ul class="tree">
      {folder.folders.map((each) => (
        <Fold key={each.path} folder={each} chosen={chosen} onChoose={onChoose} />
      ))}
      {folder.files.map(({ name, item }) => (
        <li key={item.path}>
          <button
            type="button"
            class="tree-file"
            aria-pressed={chosen === item.path}
            onClick={() => onChoose(item.path)}
          >
            <Icon name={item.kind === "file" ? "file" : "ban"} size={14} />
            <span class="tree-name">{name}</span>
            <span class="quiet">{item.kind === "file" ? bytes(item.bytes) : item.kind}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Fold({ folder, chosen, onChoose }: FolderOptions) {
  const isOpen = useSignal(
    chosen.startsWith(`${folder.path}/`) || folder.files.length + folder.folders.length <= OPEN_UP_TO,
  );
  return (
    <li>
      <button
        type="button"
        class="tree-file"
        aria-expanded={isOpen.value}
        onClick={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        <Icon name="chevron" size={12} />
        <Icon name="folder" size={14} />
        <span class="tree-name">{folder.name}</span>
      </button>
      {isOpen.value && <Folder folder={folder} chosen={chosen} onChoose={onChoose} />}
    </li>
  );
}
