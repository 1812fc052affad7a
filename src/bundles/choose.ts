// Chooses a scenario from what a user typed or clicked: `0.`, `3`, `scenario 3`, `12. Side-effects (no contract)`.
import { IsoError } from "../model/errors.js";
import type { Bundle, Scenario } from "./bundle.js";

const SELECTION = /^\s*(scenario\s*)?#?(\d+)([.):\s].*)?$/i;
const SHOWN_CHARS = 200;

/** Empty text is scenario 0. Throws IsoError `unknown_scenario` that repeats the text and lists what there is. */
export function chooseScenario(bundle: Bundle, text: string): Scenario {
  const number = text.trim() === "" ? "0" : SELECTION.exec(text)?.[2];
  const id = number?.replace(/^0+(?=\d)/, "");
  const found = bundle.scenarios.find((scenario) => scenario.id === id);
  if (found) return found;
  const shown = JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
  const list = bundle.scenarios.map((scenario) => `${scenario.id}. ${scenario.label}`).join("; ");
  const choice = list === "" ? `The bundle "${bundle.name}" has none.` : `There are: ${list}`;
  throw new IsoError("unknown_scenario", `There is no scenario ${shown}. ${choice}`, {
    field: "scenario",
    hint: 'Give its number, as `scenario` "3"; `iso-runtime scenarios` and GET /v1/scenarios list them.',
  });
}
