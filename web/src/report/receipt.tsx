// The receipt: what the journal, which nobody can change unseen, has of the run.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson, Problem } from "../api/http.js";
import type { Receipt, ReceiptLine } from "../api/types.js";
import { JsonTree } from "../preview/json-tree.js";
import type { WatchedRun } from "../state/run.js";
import { preciseClock } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Empty, Fault, Loading } from "../ui/states.js";

export function ReceiptTab({ run }: { run: WatchedRun }) {
  const receipt = useSignal<Receipt | null>(null);
  const failure = useSignal<unknown>(null);
  const isOver = run.isOver;
  useEffect(() => {
    if (!isOver) return;
    const left = new AbortController();
    askJson<Receipt>(`/v1/runs/${run.runId}/receipt`, { signal: left.signal }).then(
      (found) => {
        receipt.value = found;
      },
      (error) => {
        if (!left.signal.aborted) failure.value = error;
      },
    );
    return () => left.abort();
  }, [run.runId, isOver]);
  if (!isOver) return <Empty icon="receipt" title="The receipt stands here when the run has ended" />;
  const { value: error } = failure;
  if (error instanceof Problem && error.status === 404) {
    return (
      <Empty icon="receipt" title="There is no receipt to show">
        {error.hint}
      </Empty>
    );
  }
  if (error !== null) return <Fault error={error} />;
  if (receipt.value === null) return <Loading what="The receipt" />;
  return (
    <div class="receipt">
      <Line title="When the program began" line={receipt.value.began} />
      <Line title="When the run ended" line={receipt.value.ended} />
      <p class="quiet">
        <code>iso-runtime receipts verify</code> says whether the whole chain is what was written.
      </p>
    </div>
  );
}

function Line({ title, line: found }: { title: string; line: ReceiptLine | null }) {
  if (found === null) return <p class="quiet">{title}: there is no line.</p>;
  const { line, sealed } = found;
  return (
    <section>
      <header class="receipt-head">
        <h3>{title}</h3>
        <span class={`ending is-${sealed ? "good" : "bad"}`}>
          <Icon name={sealed ? "ok" : "bad"} size={14} />
          {sealed ? "its hash is right" : "its hash is wrong: somebody changed it"}
        </span>
        <span class="quiet">
          line {line.seq} · {typeof line.at === "string" ? preciseClock(line.at) : ""} ·{" "}
          {"sig" in line ? "signed" : "not signed"}
        </span>
      </header>
      <p class="hash">
        <span class="quiet">hash</span> <code>{line.hash}</code>
      </p>
      <JsonTree value={line} name="line" />
    </section>
  );
}
