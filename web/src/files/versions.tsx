// The versions of a workspace, the newest first; each that is kept can be made the live one again.
import { useSignal } from "@preact/signals";
import type { Version, Versions } from "../api/types.js";
import { UndoDialog } from "../report/undo.js";
import { addressTo } from "../state/route.js";
import { ago, shortId } from "../ui/format.js";
import { Icon, type IconName } from "../ui/icon.js";

const KINDS: Record<Version["kind"], [IconName, string]> = {
  run: ["play", "a run"],
  undo: ["undo", "gone back"],
  rm: ["trash", "removed"],
  put: ["up", "sent"],
  hand: ["edit", "changed by hand"],
  start: ["dot", "the beginning"],
};

export function VersionList({ all, onDone }: { all: Versions; onDone: () => void }) {
  const asked = useSignal<Version | null>(null);
  return (
    <>
      {all.changedByHand && (
        <p class="amber-note">
          <Icon name="warn" size={14} /> Files were changed by hand since the last version.
        </p>
      )}
      <ol class="versions">
        {all.versions.map((version) => (
          <Row key={version.id} version={version} onAsk={() => (asked.value = version)} />
        ))}
      </ol>
      {asked.value !== null && (
        <UndoDialog
          title={`Back to version ${asked.value.number}`}
          about="The workspace becomes what it was then, as a new version. Those in between stay, and can be brought back."
          version={asked.value.id}
          onClose={() => {
            asked.value = null;
          }}
          onDone={onDone}
        />
      )}
    </>
  );
}

function Row({ version, onAsk }: { version: Version; onAsk: () => void }) {
  const { number, kind, runId, at, changes, files, current, kept } = version;
  const [icon, word] = KINDS[kind];
  return (
    <li class={current ? "version is-current" : "version"}>
      <span class="version-number">{number}</span>
      <span class="version-what">
        <Icon name={icon} size={14} /> {word}
        {runId !== null && (
          <a href={addressTo({ view: "run", runId })}>
            <code>{shortId(runId)}</code>
          </a>
        )}
      </span>
      <span class="version-changes">{`+${changes.created} ~${changes.modified} −${changes.deleted}`}</span>
      <span class="quiet">{files} files</span>
      <time class="quiet" dateTime={at}>
        {ago(at)}
      </time>
      <span class="version-act">
        {current && <b class="ending is-good">live</b>}
        {!current && kept && (
          <button type="button" class="button" onClick={onAsk} aria-label={`Go back to version ${number}`}>
            <Icon name="undo" size={14} /> Go back
          </button>
        )}
        {!current && !kept && <span class="quiet">not kept</span>}
      </span>
    </li>
  );
}
