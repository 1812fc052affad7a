// Where the time of a run went, growing while it runs.
import { useEffect, useState } from "preact/hooks";
import type { WatchedRun } from "../state/run.js";
import { duration } from "../ui/format.js";
import { livePhases, type Phase, phasesOf, rule } from "./phases.js";

export function Waterfall({ run }: { run: WatchedRun }) {
  const result = run.result.value;
  const now = useNow(result === null && run.marks.value.accepted !== null);
  if (result !== null && result.timings === null) return null;
  const phases = result?.timings ? phasesOf(result.timings) : livePhases(run.marks.value, now);
  const end = phases.at(-1);
  const totalMs = result?.timings?.totalMs ?? (end === undefined ? 0 : end.startMs + end.ms);
  return <Bars phases={phases} totalMs={totalMs} />;
}

export function Bars({ phases, totalMs }: { phases: Phase[]; totalMs: number }) {
  const whole = Math.max(totalMs, ...phases.map(({ startMs, ms }) => startMs + ms), 0.001);
  const percent = (ms: number) => `${Math.min(100, (ms / whole) * 100)}%`;
  return (
    <figure class="waterfall" aria-label={`Where the time went: ${duration(totalMs)} in all`}>
      <div class="rule" aria-hidden="true">
        {rule(whole).map((ms) => (
          <span key={ms} style={{ left: percent(ms) }}>
            {duration(ms)}
          </span>
        ))}
      </div>
      <ol>
        {phases.map(({ name, says, startMs, ms, isLive }) => (
          <li key={name} title={`${name}: ${says}`}>
            <span class="phase-name">{name}</span>
            <span class="phase-track">
              <span
                class={`phase-bar is-${name} ${isLive ? "is-live" : ""}`}
                style={{ left: percent(startMs), width: percent(ms) }}
              />
              <span
                class={startMs + ms / 2 > whole * 0.6 ? "phase-ms is-before" : "phase-ms"}
                style={msPlace(startMs, ms, whole)}
              >
                {duration(ms)}
              </span>
            </span>
          </li>
        ))}
      </ol>
    </figure>
  );
}

/** Beside its bar, on the side that has room. */
function msPlace(startMs: number, ms: number, whole: number): Record<string, string> {
  const isLate = startMs + ms / 2 > whole * 0.6;
  if (isLate && startMs / whole > 0.15) return { right: `${100 - (startMs / whole) * 100}%` };
  const end = (startMs + ms) / whole;
  if (end < 0.85) return { left: `${end * 100}%` };
  return { right: "0%" };
}

function useNow(isMoving: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isMoving) return;
    const timer = setInterval(() => setNow(Date.now()), 50);
    return () => clearInterval(timer);
  }, [isMoving]);
  return now;
}
