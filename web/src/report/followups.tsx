// What could be run next.
import { scenarios } from "../state/catalogue.js";
import { say } from "../state/notices.js";
import type { WatchedRun } from "../state/run.js";
import { start } from "../state/runs.js";

export function Followups({ run }: { run: WatchedRun }) {
  if (!run.isOver) return null;
  const told = run.followups.value;
  const all = told.length > 0 ? told : (scenarios.value ?? []);
  if (all.length === 0) return null;
  return (
    <nav class="followups" aria-label="What could be run next">
      <span class="quiet">Next</span>
      {all.map(({ id, label }) => (
        <button
          key={id}
          type="button"
          class="chip"
          title={label}
          onClick={() => void start({ scenario: id }).catch(say)}
        >
          <span class="chip-id">{id}</span>
          {label}
        </button>
      ))}
    </nav>
  );
}
