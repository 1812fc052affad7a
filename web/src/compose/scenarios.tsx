// The scenarios: a click runs one, and so does its number in the box.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Problem } from "../api/http.js";
import type { Scenario } from "../api/types.js";
import { catalogueFailure, loadCatalogue, scenarios } from "../state/catalogue.js";
import { addRow, rows, setCode } from "../state/draft.js";
import { say, tell } from "../state/notices.js";
import { shown, start, starting } from "../state/runs.js";
import { duration } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Empty, Fault, Loading } from "../ui/states.js";

export function Scenarios() {
  const all = scenarios.value;
  const text = useSignal("");
  const wrong = useSignal<string | null>(null);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => addKeys({ s: () => box.current?.focus() }), []);
  const run = async () => {
    if (text.value.trim() === "") return;
    try {
      await start({ scenario: text.value.trim() });
      text.value = "";
      wrong.value = null;
    } catch (error) {
      if (error instanceof Problem && error.code === "unknown_scenario") wrong.value = error.message;
      else say(error);
    }
  };
  return (
    <section class="panel" aria-labelledby="scenarios-title">
      <div class="panel-head">
        <h2 id="scenarios-title">Scenarios</h2>
        {all !== null && <span class="quiet">{all.length}</span>}
      </div>
      {catalogueFailure.value !== null && <Fault error={catalogueFailure.value} onAgain={() => void loadCatalogue()} />}
      {all === null && catalogueFailure.value === null && <Loading what="The list of scenarios" />}
      {all?.length === 0 && (
        <Empty icon="play" title="There are no scenarios">
          The service was started without a bundle. Write a snippet below.
        </Empty>
      )}
      {all !== null && all.length > 0 && (
        <>
          <ul class="scenarios">
            {all.map((scenario) => (
              <Row key={scenario.id} scenario={scenario} />
            ))}
          </ul>
          <form
            class="prompt"
            onSubmit={(event) => {
              event.preventDefault();
              void run();
            }}
          >
            <span aria-hidden="true" class="prompt-mark">
              ›
            </span>
            <input
              ref={box}
              type="text"
              aria-label="Scenario to run: its number, or “scenario 3”"
              aria-invalid={wrong.value !== null}
              aria-describedby={wrong.value === null ? undefined : "scenario-wrong"}
              placeholder="scenario 3"
              autocomplete="off"
              spellcheck={false}
              value={text.value}
              onInput={(event) => {
                text.value = event.currentTarget.value;
                wrong.value = null;
              }}
            />
            <button type="submit" class="button is-bare" aria-label="Run this scenario" disabled={starting.value}>
              <kbd>⏎</kbd>
            </button>
          </form>
          {wrong.value !== null && (
            <p class="field-wrong" id="scenario-wrong" role="alert">
              {wrong.value}
            </p>
          )}
        </>
      )}
    </section>
  );
}

function Row({ scenario }: { scenario: Scenario }) {
  const { id, label, timeoutMs, code } = scenario;
  const isShown = shown.value?.scenario.value === id;
  return (
    <li class={isShown ? "scenario is-shown" : "scenario"}>
      <button
        type="button"
        class="scenario-run"
        disabled={starting.value}
        onClick={() => void start({ scenario: id }).catch(say)}
      >
        <span class="scenario-id">{id}</span>
        <span class="scenario-label">{label}</span>
        <span class="scenario-time" title="its time limit">
          {duration(timeoutMs)}
        </span>
      </button>
      <button
        type="button"
        class="button is-bare scenario-edit"
        aria-label={`Take the code of scenario ${id} into the editor`}
        title="Take its code into the editor"
        onClick={() => intoEditor(scenario, code)}
      >
        <Icon name="edit" size={14} />
      </button>
    </li>
  );
}

const PROMISE = /^# contract: ([^=\n]+?) *= *([^\n]*)$/gm;

/** With the files that its head promises: in a snippet that head is a comment. */
function intoEditor({ id }: Scenario, code: string): void {
  setCode(code);
  rows.value = [];
  for (const [, path = "", description = ""] of code.matchAll(PROMISE)) addRow({ path, description });
  tell(`The editor has the code of scenario ${id}.`);
}
