// A user's workspace: its files with what is in them, and its versions with the way back.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, askJson, inAddress } from "../api/http.js";
import type { Files, Versions } from "../api/types.js";
import { say, tell } from "../state/notices.js";
import { go } from "../state/route.js";
import { endings } from "../state/runs.js";
import { user } from "../state/session.js";
import { bytes, plural } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Empty, Fault, Loading } from "../ui/states.js";
import { FileList } from "./file-list.js";
import { FilePane } from "./file-pane.js";
import { VersionList } from "./versions.js";

export function FilesView({ path }: { path: string }) {
  const files = useSignal<Files | null>(null);
  const versions = useSignal<Versions | null>(null);
  const failure = useSignal<unknown>(null);
  const again = useSignal(0);
  const shown = useSignal<"files" | "versions">("files");
  const whose = user.value;
  useEffect(() => {
    const left = new AbortController();
    failure.value = null;
    const load = async () => {
      try {
        files.value = await askJson<Files>("/v1/workspace/files", { query: { limit: 5000 }, signal: left.signal });
        versions.value = await askJson<Versions>("/v1/workspace/versions", { signal: left.signal });
      } catch (error) {
        if (left.signal.aborted) return;
        // A user who has none yet has an empty one.
        if (error instanceof Error && "status" in error && error.status === 404)
          files.value = { files: [], total: 0, bytes: 0, next: null };
        else failure.value = error;
      }
    };
    void load();
    return () => left.abort();
  }, [whose, again.value, endings.value]);
  const refresh = () => {
    again.value += 1;
  };
  useEffect(
    () =>
      addKeys({
        v: () => {
          shown.value = shown.value === "files" ? "versions" : "files";
        },
      }),
    [],
  );
  return (
    <Drop onDone={refresh}>
      <section class="view" aria-labelledby="files-title">
        <header class="view-head">
          <h1 id="files-title">Files</h1>
          {files.value !== null && (
            <span class="quiet">
              {plural(files.value.total, "file")}, {bytes(files.value.bytes)}
            </span>
          )}
          <span class="grow" />
          <fieldset class="segments">
            <legend class="unseen">What is shown</legend>
            {(["files", "versions"] as const).map((name) => (
              <button
                key={name}
                type="button"
                aria-pressed={shown.value === name}
                onClick={() => {
                  shown.value = name;
                }}
              >
                {name === "files" ? "Files" : `Versions ${versions.value?.versions.length ?? ""}`}
              </button>
            ))}
          </fieldset>
          <UploadButton onDone={refresh} />
          <ZipButton />
        </header>
        {failure.value !== null && <Fault error={failure.value} onAgain={refresh} />}
        {files.value === null && failure.value === null && <Loading what="The list of files" />}
        {shown.value === "versions" && versions.value !== null && <VersionList all={versions.value} onDone={refresh} />}
        {shown.value === "versions" && versions.value === null && (
          <Empty icon="history" title="There are no versions yet" />
        )}
        {shown.value === "files" && files.value?.total === 0 && (
          <Empty icon="folder" title="The workspace is empty">
            <p>Drop files here, or let a run write some: they are found in its OUTPUT_DIR.</p>
          </Empty>
        )}
        {shown.value === "files" && files.value !== null && files.value.total > 0 && (
          <div class="split">
            <FileList
              files={files.value.files}
              chosen={path}
              onChoose={(to) => go({ view: "files", path: to })}
              hasMore={files.value.next !== null}
            />
            <FilePane key={path} path={path} files={files.value.files} versions={versions.value} onDone={refresh} />
          </div>
        )}
      </section>
    </Drop>
  );
}

async function upload(list: Iterable<File>): Promise<number> {
  let done = 0;
  for (const file of list) {
    try {
      await ask(`/v1/workspace/files/${inAddress(file.name)}`, {
        ...{ method: "PUT", body: file, headers: { "Content-Type": "application/octet-stream" } },
      });
      done += 1;
    } catch (error) {
      say(error);
    }
  }
  if (done > 0) tell(`${plural(done, "file")} sent.`, "good");
  return done;
}

function UploadButton({ onDone }: { onDone: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => addKeys({ a: () => input.current?.click() }), []);
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        class="unseen"
        tabIndex={-1}
        aria-label="Files to send"
        onChange={(event) => {
          const { currentTarget } = event;
          void upload([...(currentTarget.files ?? [])]).then(onDone);
          currentTarget.value = "";
        }}
      />
      <button type="button" class="button" onClick={() => input.current?.click()}>
        <Icon name="up" size={14} /> Send files
      </button>
    </>
  );
}

/** Shown where the service can do it. */
function ZipButton() {
  const isGone = useSignal(false);
  if (isGone.value) return null;
  const save = async () => {
    try {
      const blob = await (await ask("/v1/workspace/zip")).blob();
      const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = "workspace.zip";
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      if (error instanceof Error && "status" in error && error.status === 404) {
        isGone.value = true;
        tell("This service cannot pack a workspace: save the files one by one.");
      } else say(error);
    }
  };
  return (
    <button type="button" class="button" onClick={() => void save()}>
      <Icon name="down" size={14} /> Zip
    </button>
  );
}

function Drop({ onDone, children }: { onDone: () => void; children: preact.ComponentChildren }) {
  const isOver = useSignal(false);
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is dropped here can be sent by a button as well
    <div
      class={isOver.value ? "drop is-over" : "drop"}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={(event) => {
        if (event.currentTarget === event.target) isOver.value = false;
      }}
      onDrop={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        isOver.value = false;
        void upload([...(event.dataTransfer?.files ?? [])]).then(onDone);
      }}
    >
      {children}
    </div>
  );
}
