// One file: what is in it, what it was before, and how to save or remove it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson, inAddress } from "../api/http.js";
import type { Files, Versions } from "../api/types.js";
import { download } from "../preview/load.js";
import { Preview } from "../preview/preview.js";
import { DiffView, versionAddress } from "../report/diff-view.js";
import { say, tell } from "../state/notices.js";
import { go } from "../state/route.js";
import { Dialog } from "../ui/dialog.js";
import { bytes, clock, fileName } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Empty } from "../ui/states.js";

interface PaneOptions {
  path: string;
  files: Files["files"];
  versions: Versions | null;
  onDone: () => void;
}

export function FilePane({ path, files, versions, onDone }: PaneOptions) {
  const against = useSignal("");
  const isAsking = useSignal(false);
  const file = files.find((each) => each.path === path);
  const address = `/v1/workspace/files/${inAddress(path)}`;
  const save = () => void download(address, fileName(path)).catch(say);
  const isFile = file?.kind === "file";
  useEffect(() => {
    if (!isFile) return;
    return addKeys({
      d: save,
      Delete: () => {
        isAsking.value = true;
      },
    });
  }, [path, isFile]);
  if (path === "") return <Empty icon="file" title="Choose a file to see what is in it" />;
  if (file === undefined)
    return (
      <Empty icon="file" title="There is no such file (any more)">
        {path}
      </Empty>
    );
  if (file.pathBase64 !== undefined) {
    return (
      <Empty icon="ban" title="Its name is no UTF-8, so that no address can name it">
        {path}
      </Empty>
    );
  }
  if (file.kind !== "file") {
    return (
      <Empty icon="ban" title={`It is a ${file.kind}, which is never followed`}>
        {path}
      </Empty>
    );
  }
  const earlier = versions?.versions.filter(({ current, kept }) => kept && !current) ?? [];
  const remove = async () => {
    isAsking.value = false;
    try {
      await askJson(address, { method: "DELETE" });
      tell(`${fileName(path)} was removed. It can be brought back by its version.`, "good");
      go({ view: "files", path: "" });
      onDone();
    } catch (error) {
      say(error);
    }
  };
  return (
    <section class="file-pane" aria-label={path}>
      <header class="file-head">
        <h2 title={path}>{fileName(path)}</h2>
        <span class="quiet">{bytes(file.bytes)}</span>
        <span class="grow" />
        {earlier.length > 0 && (
          <label class="option is-inline">
            <span class="unseen">Compare with a version</span>
            <select
              class="field"
              value={against.value}
              onChange={(event) => {
                against.value = event.currentTarget.value;
              }}
            >
              <option value="">as it is</option>
              {earlier.map(({ id, number, kind, at }) => (
                <option key={id} value={id}>
                  against {number} · {kind} · {clock(at)}
                </option>
              ))}
            </select>
          </label>
        )}
        <button type="button" class="button is-bare" aria-label={`Download ${fileName(path)}`} onClick={save}>
          <Icon name="down" />
        </button>
        <button
          type="button"
          class="button is-bare is-danger"
          aria-label={`Remove ${fileName(path)}`}
          onClick={() => {
            isAsking.value = true;
          }}
        >
          <Icon name="trash" />
        </button>
      </header>
      {against.value === "" ? (
        <Preview address={address} path={path} bytes={file.bytes} />
      ) : (
        <DiffView key={against.value} path={path} before={versionAddress(against.value, path)} after={address} />
      )}
      {isAsking.value && (
        <Dialog title={`Remove ${fileName(path)}?`} onClose={() => (isAsking.value = false)}>
          <div class="pad stack">
            <p>The file leaves the workspace. The version before is kept, so that it can be brought back.</p>
            <div class="actions">
              <button type="button" class="button" onClick={() => (isAsking.value = false)}>
                Leave it
              </button>
              <button type="button" class="button is-danger" onClick={() => void remove()}>
                <Icon name="trash" size={14} /> Remove
              </button>
            </div>
          </div>
        </Dialog>
      )}
    </section>
  );
}
