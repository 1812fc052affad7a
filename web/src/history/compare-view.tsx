// Two runs beside each other: endings, times, files, and what of their code and output is another one.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson } from "../api/http.js";
import type { Result } from "../api/types.js";
import { phasesOf } from "../live/phases.js";
import { Bars } from "../live/waterfall.js";
import { diffRows } from "../report/diff.js";
import { DiffTable } from "../report/diff-view.js";
import { sentenceOf } from "../report/frames.js";
import { scenarios } from "../state/catalogue.js";
import { codeOf } from "../state/codes.js";
import { addressTo } from "../state/route.js";
import { Ending } from "../ui/ending.js";
import { bytes, duration, shortId } from "../ui/format.js";
import { Fault, Loading } from "../ui/states.js";
import { TableBox } from "../ui/table-box.js";

interface Compared {
  result: Result;
  code: string | null;
}

export function CompareView({ left, right }: { left: string; right: string }) {
  const both = useSignal<[Compared, Compared] | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    const gone = new AbortController();
    const load = async (runId: string): Promise<Compared> => {
      const result = await askJson<Result>(`/v1/runs/${runId}`, { signal: gone.signal });
      if (!("schema" in result)) throw new Error("A run that has not ended yet cannot be compared.");
      return { result, code: await codeOf(runId, result.scenario, scenarios.value ?? []) };
    };
    Promise.all([load(left), load(right)]).then(
      (found) => {
        both.value = found;
      },
      (error) => {
        if (!gone.signal.aborted) failure.value = error;
      },
    );
    return () => gone.abort();
  }, [left, right]);
  return (
    <section class="view" aria-labelledby="compare-title">
      <header class="view-head">
        <h1 id="compare-title">Two runs</h1>
        <a class="button" href={addressTo({ view: "history" })}>
          Back to the history
        </a>
      </header>
      {failure.value !== null && <Fault error={failure.value} />}
      {both.value === null && failure.value === null && <Loading what="Both runs" />}
      {both.value !== null && <Both sides={both.value} />}
    </section>
  );
}

const FACTS: [string, (result: Result) => string][] = [
  ["Error", ({ error }) => error?.code ?? "none"],
  ["Exit code", ({ exitCode, signal }) => (exitCode === null ? (signal ?? "–") : String(exitCode))],
  ["In all", ({ timings }) => duration(timings?.totalMs)],
  ["The program", ({ timings }) => duration(timings?.runMs)],
  ["Processor time", ({ usage }) => duration(usage?.cpuMs)],
  ["Most memory", ({ usage }) => bytes(usage?.maxRssBytes ?? null)],
  ["Output", ({ usage }) => bytes(usage?.outputBytes ?? null)],
  ["Files", ({ totals }) => `+${totals.created} ~${totals.modified} −${totals.deleted}`],
  ["Tool calls", ({ totals }) => String(totals.toolCalls)],
  [
    "Sandbox",
    ({ sandbox }) =>
      sandbox === null ? "none" : `${sandbox.backend}, ${sandbox.profile}, ${sandbox.warm ? "warm" : "cold"}`,
  ],
];

function Both({ sides }: { sides: [Compared, Compared] }) {
  const results = sides.map(({ result }) => result);
  const longest = Math.max(...results.map(({ timings }) => timings?.totalMs ?? 0));
  const [first, second] = sides;
  return (
    <>
      <TableBox name="Both runs">
        <table class="table is-compare">
          <thead>
            <tr>
              <td />
              {results.map(({ runId, scenario, status }) => (
                <th key={runId} scope="col">
                  <a href={addressTo({ view: "run", runId })}>
                    {scenario === null ? "Snippet" : `Scenario ${scenario}`}
                  </a>{" "}
                  <code class="quiet">{shortId(runId)}</code>
                  <br />
                  <Ending status={status} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">How it ended</th>
              {results.map((result) => (
                <td key={result.runId}>{sentenceOf(result)}</td>
              ))}
            </tr>
            {FACTS.map(([name, of]) => {
              const [a = "", b = ""] = results.map(of);
              return (
                <tr key={name} class={a === b ? "" : "is-other"}>
                  <th scope="row">{name}</th>
                  <td>{a}</td>
                  <td>
                    {b}
                    {a !== b && <span class="other-mark"> ≠</span>}
                  </td>
                </tr>
              );
            })}
            <tr>
              <th scope="row">Times</th>
              {results.map(({ runId, timings }) => (
                <td key={runId}>{timings !== null && <Bars phases={phasesOf(timings)} totalMs={longest} />}</td>
              ))}
            </tr>
          </tbody>
        </table>
      </TableBox>
      <Texts title="Code" left={first.code} right={second.code} />
      <Texts title="Output" left={first.result.output.stdout.text} right={second.result.output.stdout.text} />
    </>
  );
}

const LONGEST_TEXT = 400_000;

function Texts({ title, left, right }: { title: string; left: string | null; right: string | null }) {
  const isKnown = left !== null && right !== null;
  const rows = isKnown && left !== right && left.length + right.length < LONGEST_TEXT ? diffRows(left, right) : null;
  return (
    <section class="card">
      <h2>{title}</h2>
      {!isKnown && <p class="quiet">It is not known of both runs.</p>}
      {isKnown && left === right && <p class="quiet">It is the same.</p>}
      {isKnown && left !== right && rows === null && (
        <p class="quiet">Both are too long or too different to be shown beside each other.</p>
      )}
      {rows !== null && <DiffTable rows={rows} path={title.toLowerCase()} />}
    </section>
  );
}
