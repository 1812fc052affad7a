// A snippet of one's own: the code, the files that it promises, and what it is to be run with.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { profiles } from "../state/catalogue.js";
import {
  addRow,
  addVariable,
  type DraftRow,
  profile,
  request,
  rows,
  stdin,
  timeoutSeconds,
  type Variable,
  variables,
} from "../state/draft.js";
import { start, starting } from "../state/runs.js";
import { Keycap } from "../ui/help.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Fault } from "../ui/states.js";
import { CodeField } from "./editor.js";
import { ToolList } from "./tools.js";

export function Snippet() {
  const failure = useSignal<unknown>(null);
  const run = () => {
    failure.value = null;
    start(request()).catch((error) => {
      failure.value = error;
    });
  };
  useEffect(() => addKeys({ "mod+Enter": run, p: () => addRow() }), []);
  return (
    <section class="panel is-growing" aria-labelledby="snippet-title">
      <div class="panel-head">
        <h2 id="snippet-title">Snippet</h2>
        <span class="quiet">Python</span>
      </div>
      <CodeField onRun={run} />
      <Promises />
      <Options />
      {failure.value !== null && <Fault error={failure.value} onAgain={run} />}
      <button type="button" class="button is-primary is-wide run-button" disabled={starting.value} onClick={run}>
        <Icon name="play" size={14} />
        {starting.value ? "Starting…" : "Run"}
        <Keycap keys="mod+Enter" />
      </button>
    </section>
  );
}

function change(row: DraftRow, to: Partial<DraftRow>): void {
  rows.value = rows.value.map((each) => (each.id === row.id ? { ...each, ...to } : each));
}

function Promises() {
  return (
    <fieldset class="promises">
      <legend>Files it promises</legend>
      {rows.value.map((row, index) => (
        <div key={row.id} class="promise">
          <input
            type="text"
            class="field is-path"
            aria-label={`Path of file ${index + 1}`}
            placeholder="totals.csv"
            spellcheck={false}
            value={row.path}
            onInput={(event) => change(row, { path: event.currentTarget.value })}
          />
          <input
            type="text"
            class="field"
            aria-label={`What file ${index + 1} is`}
            placeholder="what it is"
            value={row.description}
            onInput={(event) => change(row, { description: event.currentTarget.value })}
          />
          <button
            type="button"
            class="button is-bare"
            aria-label={`Promise file ${index + 1} no more`}
            onClick={() => {
              rows.value = rows.value.filter(({ id }) => id !== row.id);
            }}
          >
            <Icon name="close" size={14} />
          </button>
          <div class="promise-more">
            <input
              type="text"
              class="field"
              aria-label={`Columns that file ${index + 1} must have`}
              placeholder="columns: city, total"
              spellcheck={false}
              value={row.columns}
              onInput={(event) => change(row, { columns: event.currentTarget.value })}
            />
            <label class="check">
              <input
                type="checkbox"
                checked={row.optional}
                onChange={(event) => change(row, { optional: event.currentTarget.checked })}
              />
              optional
            </label>
          </div>
        </div>
      ))}
      <button type="button" class="button is-quiet" onClick={() => addRow()}>
        <Icon name="plus" size={14} /> Promise a file
      </button>
    </fieldset>
  );
}

function Options() {
  const known = profiles.value;
  return (
    <div class="options">
      <div class="option-row">
        <label class="option">
          <span>Profile</span>
          <select
            class="field"
            value={profile.value}
            onChange={(event) => {
              profile.value = event.currentTarget.value;
            }}
          >
            <option value="">{known?.default ?? "default"}</option>
            {known?.profiles
              .filter(({ name }) => name !== known.default)
              .map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
          </select>
        </label>
        <label class="option">
          <span>Time limit</span>
          <input
            class="field"
            type="number"
            min="0.1"
            step="any"
            inputMode="decimal"
            placeholder={seconds()}
            value={timeoutSeconds.value}
            onInput={(event) => {
              timeoutSeconds.value = event.currentTarget.value;
            }}
          />
        </label>
      </div>
      <ToolList />
      <details class="more">
        <summary>Variables and input</summary>
        {variables.value.map((variable, index) => (
          <VariableRow key={variable.id} variable={variable} index={index} />
        ))}
        <button type="button" class="button is-quiet" onClick={addVariable}>
          <Icon name="plus" size={14} /> Set a variable
        </button>
        <label class="option">
          <span>Standard input</span>
          <textarea
            class="field"
            rows={2}
            spellcheck={false}
            value={stdin.value}
            onInput={(event) => {
              stdin.value = event.currentTarget.value;
            }}
          />
        </label>
      </details>
    </div>
  );
}

function seconds(): string {
  const known = profiles.value;
  const limits = known?.profiles.find(({ name }) => name === (profile.value || known.default))?.limits;
  return limits?.timeout === undefined ? "seconds" : `${limits.timeout / 1000} s`;
}

function VariableRow({ variable, index }: { variable: Variable; index: number }) {
  const set = (to: Partial<Variable>) => {
    variables.value = variables.value.map((each) => (each.id === variable.id ? { ...each, ...to } : each));
  };
  return (
    <div class="variable">
      <input
        class="field is-path"
        type="text"
        aria-label={`Name of variable ${index + 1}`}
        placeholder="NAME"
        spellcheck={false}
        value={variable.name}
        onInput={(event) => set({ name: event.currentTarget.value })}
      />
      <input
        class="field"
        type="password"
        autocomplete="off"
        aria-label={`Value of variable ${index + 1}`}
        placeholder="value"
        value={variable.value}
        onInput={(event) => set({ value: event.currentTarget.value })}
      />
      <button
        type="button"
        class="button is-bare"
        aria-label={`Set variable ${index + 1} no more`}
        onClick={() => {
          variables.value = variables.value.filter(({ id }) => id !== variable.id);
        }}
      >
        <Icon name="close" size={14} />
      </button>
    </div>
  );
}
