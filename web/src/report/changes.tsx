// What a run changed in the workspace, file by file, with what it was before; and the way back.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson, inAddress } from "../api/http.js";
import type { Changes, Version, Versions } from "../api/types.js";
import { Preview } from "../preview/preview.js";
import type { WatchedRun } from "../state/run.js";
import { endings } from "../state/runs.js";
import { bytes as sayBytes } from "../ui/format.js";
import { Icon, type IconName } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Empty } from "../ui/states.js";
import { DiffView, versionAddress } from "./diff-view.js";
import { type TreeFolder, treeOf } from "./file-tree.js";
import { UndoDialog } from "./undo.js";

type Change = "created" | "modified" | "deleted" | "skipped";

interface Changed {
  path: string;
  /** Its name is UTF-8, so that an address can name it. */
  isNamed: boolean;
  change: Change;
  bytes: number | null;
  reason: string | null;
}

const LOOKS: Record<Change, [IconName, string]> = {
  created: ["plus", "good"],
  modified: ["edit", "accent"],
  deleted: ["minus", "bad"],
  skipped: ["skip", "warn"],
};

function listOf({ created, modified, deleted, skipped }: Changes): Changed[] {
  return [
    ...created.map(({ path, pathBase64, bytes }) => ({
      path,
      isNamed: pathBase64 === undefined,
      change: "created" as const,
      bytes,
      reason: null,
    })),
    ...modified.map(({ path, pathBase64, bytes }) => ({
      path,
      isNamed: pathBase64 === undefined,
      change: "modified" as const,
      bytes,
      reason: null,
    })),
    ...deleted.map(({ path, pathBase64 }) => ({
      path,
      isNamed: pathBase64 === undefined,
      change: "deleted" as const,
      bytes: null,
      reason: null,
    })),
    ...skipped.map(({ path, reason }) => ({ path, isNamed: true, change: "skipped" as const, bytes: null, reason })),
  ];
}

export function ChangesTab({ run }: { run: WatchedRun }) {
  const changes = run.changes.value;
  const version = run.result.value?.workspace.version ?? null;
  const chosen = useSignal<string | null>(null);
  const versions = useVersions(version);
  const isAsking = useSignal(false);
  const canUndo = useSignal(false);
  useEffect(
    () =>
      addKeys({
        u: () => {
          isAsking.value = canUndo.value;
        },
      }),
    [],
  );
  if (changes === null) return <Empty icon="edit" title="What it changed stands here when it has ended" />;
  const all = listOf(changes);
  if (all.length === 0) return <Empty icon="edit" title="It changed no file" />;
  const at = versions?.findIndex(({ id }) => id === version) ?? -1;
  const before = at >= 0 ? (versions?.[at + 1] ?? null) : null;
  const mine = at >= 0 ? versions?.[at] : undefined;
  canUndo.value = before?.kept === true;
  const item = all.find(({ path }) => path === chosen.value) ?? null;
  const { totals } = run.result.value ?? {};
  const listed = totals === undefined ? all.length : totals.created + totals.modified + totals.deleted + totals.skipped;
  return (
    <div class="changes">
      <div class="changes-list">
        {before?.kept && mine !== undefined && (
          <button
            type="button"
            class="button"
            onClick={() => {
              isAsking.value = true;
            }}
          >
            <Icon name="undo" size={14} /> Undo this run
          </button>
        )}
        <Folder
          folder={treeOf(all)}
          chosen={chosen.value}
          onChoose={(path) => (chosen.value = chosen.value === path ? null : path)}
        />
        {listed > all.length && <p class="quiet">and {listed - all.length} more, which are not listed</p>}
        {changes.leftInWork.length > 0 && (
          <p class="quiet">{changes.leftInWork.length} files were left in work/, which is not kept.</p>
        )}
      </div>
      <div class="changes-view">
        {item === null ? (
          <p class="quiet pad">Choose a file to see what changed in it.</p>
        ) : (
          <ChangedFile key={item.path} run={run} item={item} before={before} />
        )}
      </div>
      {isAsking.value && before !== null && (
        <UndoDialog
          title="Undo this run"
          about={
            mine?.current
              ? "The workspace becomes what it was before this run, as a new version: this one stays, and can be brought back."
              : "The workspace was changed since. It becomes what it was before this run, without those later changes, as a new version: each of them stays, and can be brought back."
          }
          version={before.id}
          onClose={() => {
            isAsking.value = false;
          }}
          onDone={() => {
            endings.value += 1;
          }}
        />
      )}
    </div>
  );
}

interface FolderOptions {
  folder: TreeFolder<Changed>;
  chosen: string | null;
  onChoose: (path: string) => void;
}

function Folder({ folder, chosen, onChoose }: FolderOptions) {
  return (
    <ul class="tree">
      {folder.folders.map((each) => (
        <li key={each.path}>
          <span class="tree-folder">
            <Icon name="folder" size={14} /> {each.name}
          </span>
          <Folder folder={each} chosen={chosen} onChoose={onChoose} />
        </li>
      ))}
      {folder.files.map(({ name, item }) => {
        const [icon, tone] = LOOKS[item.change];
        return (
          <li key={item.path}>
            <button
              type="button"
              class="tree-file"
              aria-pressed={chosen === item.path}
              onClick={() => onChoose(item.path)}
            >
              <span class={`ending is-${tone}`} title={item.change}>
                <Icon name={icon} size={14} />
                <span class="unseen">{item.change}: </span>
              </span>
              <span class="tree-name">{name}</span>
              <span class="quiet">{item.reason ?? (item.bytes === null ? item.change : sayBytes(item.bytes))}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function ChangedFile({ run, item, before }: { run: WatchedRun; item: Changed; before: Version | null }) {
  const { path, change, reason } = item;
  if (change === "skipped") {
    return (
      <div class="pad stack">
        <p>
          <b>{path}</b> was not taken over: {reason}.
        </p>
        <p class="quiet">What a program plants that is no plain file is never followed.</p>
      </div>
    );
  }
  if (!item.isNamed) return <p class="quiet pad">Its name is no UTF-8, so that no address can name it.</p>;
  if (!run.isOver) return <p class="quiet pad">It can be looked at when the run has ended.</p>;
  const old = before === null ? null : versionAddress(before.id, path);
  if (old === null && change !== "created") return <p class="quiet pad">What it was before is not kept any more.</p>;
  const now = `/v1/runs/${run.runId}/files/${inAddress(path)}`;
  return (
    <>
      <h3 class="view-title">
        {path} <span class="quiet">{change === "deleted" ? "as it was before it was deleted" : change}</span>
      </h3>
      {change === "modified" && <DiffView path={path} before={old} after={now} />}
      {change === "created" && <Preview address={now} path={path} bytes={item.bytes} />}
      {change === "deleted" && old !== null && <Preview address={old} path={path} bytes={null} />}
    </>
  );
}

/** The workspace's versions, the newest first; null while they are not known. */
function useVersions(version: string | null): Version[] | null {
  const versions = useSignal<Version[] | null>(null);
  const again = endings.value;
  useEffect(() => {
    if (version === null) return;
    const left = new AbortController();
    askJson<Versions>("/v1/workspace/versions", { signal: left.signal }).then(
      (found) => {
        versions.value = found.versions;
      },
      () => undefined,
    );
    return () => left.abort();
  }, [version, again]);
  return versions.value;
}
