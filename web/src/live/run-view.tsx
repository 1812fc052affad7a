// The first view: what can be run, and the run that is shown.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Scenarios } from "../compose/scenarios.js";
import { Snippet } from "../compose/snippet.js";
import { RecentRuns } from "../history/recent.js";
import { Followups } from "../report/followups.js";
import { sentenceOf } from "../report/frames.js";
import { Report } from "../report/report.js";
import { speak } from "../state/notices.js";
import type { WatchedRun } from "../state/run.js";
import { cancelShown, shown } from "../state/runs.js";
import { addKeys } from "../ui/keys.js";
import { Empty, Fault } from "../ui/states.js";
import { RunHead } from "./head.js";
import { Output } from "./output.js";
import { Waterfall } from "./waterfall.js";

export function RunView() {
  const run = shown.value;
  useEffect(() => addKeys({ c: () => void cancelShown() }), []);
  return (
    <div class="run-view">
      <div class="side">
        <Scenarios />
        <Snippet />
      </div>
      <div class="stage">
        {run === null ? (
          <Empty icon="play" title="Nothing is shown yet">
            <p>Choose a scenario, or run the snippet. What happens is shown here while it happens.</p>
          </Empty>
        ) : (
          <Run key={run.runId} run={run} />
        )}
        <RecentRuns />
      </div>
    </div>
  );
}

function Run({ run }: { run: WatchedRun }) {
  const top = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the run stands below what it was started with.
    if (matchMedia("(max-width: 860px)").matches) top.current?.scrollIntoView({ block: "start" });
  }, []);
  useSignalEffect(() => {
    const result = run.result.value;
    speak(result === null ? "The run was started." : sentenceOf(result));
  });
  if (run.failure.value !== null && run.result.value === null && run.lines.length === 0) {
    return (
      <div class="pad">
        <Fault error={run.failure.value} />
      </div>
    );
  }
  return (
    <article class="run" ref={top} aria-label="Run">
      <RunHead run={run} />
      <Waterfall run={run} />
      <Output run={run} />
      <Report run={run} />
      <Followups run={run} />
    </article>
  );
}
