// The states and endings of runs: a word, a shape and a colour each, so that none is told by colour alone.
import type { RunState, Status } from "../api/types.js";
import { Icon, type IconName } from "./icon.js";

export interface Look {
  word: string;
  icon: IconName;
  tone: "good" | "bad" | "warn" | "quiet" | "live";
}

const LOOKS: Record<RunState | Status, Look> = {
  queued: { word: "queued", icon: "clock", tone: "live" },
  running: { word: "running", icon: "play", tone: "live" },
  waiting: { word: "waiting for a tool", icon: "tool", tone: "live" },
  succeeded: { word: "succeeded", icon: "ok", tone: "good" },
  failed: { word: "failed", icon: "bad", tone: "bad" },
  timed_out: { word: "timed out", icon: "clock", tone: "warn" },
  cancelled: { word: "cancelled", icon: "stop", tone: "quiet" },
  rejected: { word: "rejected", icon: "ban", tone: "bad" },
};

export const lookOf = (status: RunState | Status): Look => LOOKS[status] ?? LOOKS.failed;

export function Ending({ status, short = false }: { status: RunState | Status; short?: boolean }) {
  const { word, icon, tone } = lookOf(status);
  return (
    <span class={`ending is-${tone}`} title={short ? word : undefined}>
      {tone === "live" ? <span class="spinner" aria-hidden="true" /> : <Icon name={icon} />}
      <span class={short ? "unseen" : ""}>{word}</span>
    </span>
  );
}
