// What a user's runs used, in all and by day, where the service counts it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson } from "../api/http.js";
import { user } from "../state/session.js";
import { bytes, duration } from "../ui/format.js";

interface UsageAnswer {
  total?: { runs?: number; seconds?: number; cpuSeconds?: number; outputBytes?: number; fileBytes?: number };
  days?: { day: string; runs: number }[];
  storedBytes?: number;
}

const MOST_DAYS = 14;

export function Usage() {
  const usage = useSignal<UsageAnswer | null>(null);
  const whose = user.value;
  useEffect(() => {
    usage.value = null;
    askJson<UsageAnswer>("/v1/usage").then(
      (found) => {
        usage.value = found;
      },
      () => undefined,
    );
  }, [whose]);
  const { total, days = [], storedBytes } = usage.value ?? {};
  if (total === undefined) return null;
  const seconds = (value: number | undefined) => (value === undefined ? null : duration(value * 1000));
  const size = (value: number | undefined) => (value === undefined ? null : bytes(value));
  const facts: [string, string | null][] = [
    ["Runs", total.runs?.toLocaleString("en") ?? null],
    ["Programs ran", seconds(total.seconds)],
    ["Processor time", seconds(total.cpuSeconds)],
    ["Printed", size(total.outputBytes)],
    ["Files written", size(total.fileBytes)],
    ["Kept history", size(storedBytes)],
  ];
  const most = Math.max(1, ...days.map(({ runs }) => runs));
  return (
    <section class="card">
      <h2>What {whose === "" ? "this user" : whose} used</h2>
      <dl class="facts">
        {facts.map(([name, value]) =>
          value === null ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
      {days.length > 1 && (
        <ul class="endings">
          {days.slice(0, MOST_DAYS).map(({ day, runs }) => (
            <li key={day}>
              <span class="quiet">{day}</span>
              <span class="meter" aria-hidden="true">
                <span class="is-accent" style={{ width: `${(runs / most) * 100}%` }} />
              </span>
              <span>{runs}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
