// Each promised file: whether it is there and right, why not, and what it looks like.
import { useSignal } from "@preact/signals";
import { inAddress } from "../api/http.js";
import type { Artifact } from "../api/types.js";
import { download } from "../preview/load.js";
import { Preview } from "../preview/preview.js";
import { say } from "../state/notices.js";
import type { WatchedRun } from "../state/run.js";
import { bytes, fileName } from "../ui/format.js";
import { Icon, type IconName } from "../ui/icon.js";
import { Empty } from "../ui/states.js";

const LOOKS: Record<Artifact["status"], [IconName, string]> = {
  satisfied: ["ok", "good"],
  missing: ["minus", "bad"],
  empty: ["minus", "bad"],
  invalid: ["bad", "bad"],
  blocked: ["ban", "bad"],
  stale: ["clock", "warn"],
};

export function ContractTab({ run }: { run: WatchedRun }) {
  const artifacts = run.contract.value;
  if (artifacts.length === 0) {
    return (
      <Empty icon="file" title="No file was promised">
        {run.isOver
          ? "Promise files beside the editor, and the host looks whether they are there and right."
          : "What was promised is looked at when the program has ended."}
      </Empty>
    );
  }
  return (
    <ul class="artifacts">
      {artifacts.map((artifact, index) => (
        <ArtifactRow key={artifact.path} run={run} artifact={artifact} isFirst={index === 0} />
      ))}
    </ul>
  );
}

function ArtifactRow({ run, artifact, isFirst }: { run: WatchedRun; artifact: Artifact; isFirst: boolean }) {
  const { path, description, status, code, message, optional, bytes: size, mime } = artifact;
  const [icon, tone] = LOOKS[status];
  const isThere = size !== null && run.isOver;
  const isOpen = useSignal(isFirst && status === "satisfied");
  const address = `/v1/runs/${run.runId}/files/${inAddress(path)}`;
  return (
    <li class="artifact">
      <div class="artifact-head">
        <span class={`ending is-${tone}`}>
          <Icon name={icon} />
          {status}
        </span>
        <div class="artifact-name">
          <b title={path}>{fileName(path)}</b>
          {path.includes("/") && <span class="quiet path">{path}</span>}
        </div>
        <span class="quiet">
          {[size === null ? null : bytes(size), mime, optional ? "optional" : null].filter(Boolean).join(" · ")}
        </span>
        {isThere && (
          <>
            <button
              type="button"
              class="button"
              aria-expanded={isOpen.value}
              onClick={() => {
                isOpen.value = !isOpen.value;
              }}
            >
              Preview
            </button>
            <button
              type="button"
              class="button is-bare"
              aria-label={`Download ${fileName(path)}`}
              onClick={() => void download(address, fileName(path)).catch(say)}
            >
              <Icon name="down" />
            </button>
          </>
        )}
      </div>
      <p class="artifact-about">
        {description !== path && description}
        {message !== undefined && (
          <span class={`ending is-${tone}`}>
            {" "}
            — {message}
            {code !== undefined && ` (${code})`}
          </span>
        )}
      </p>
      {isOpen.value && isThere && <Preview address={address} path={path} bytes={size} />}
    </li>
  );
}
