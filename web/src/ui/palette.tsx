// ⌘K: one box for scenarios, views and runs.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { askJson } from "../api/http.js";
import type { RunList, RunSummary } from "../api/types.js";
import { scenarios } from "../state/catalogue.js";
import { say } from "../state/notices.js";
import type { Place } from "../state/places.js";
import { go } from "../state/route.js";
import { start } from "../state/runs.js";
import { Dialog } from "./dialog.js";
import { lookOf } from "./ending.js";
import { ago, shortId } from "./format.js";
import { Icon, type IconName } from "./icon.js";
import { paletteIsOpen } from "./keys.js";

interface Entry {
  icon: IconName;
  kind: string;
  text: string;
  act: () => void;
}

const MOST_SHOWN = 60;
const to = (icon: IconName, text: string, place: Place): Entry => ({ icon, kind: "Go to", text, act: () => go(place) });
const PLACES = [
  to("play", "Run", { view: "run", runId: null }),
  to("history", "History", { view: "history" }),
  to("folder", "Files", { view: "files", path: "" }),
  to("pulse", "Status", { view: "status" }),
];

export function Palette() {
  return paletteIsOpen.value ? <Open /> : null;
}

function Open() {
  const query = useSignal("");
  const chosen = useSignal(0);
  const runs = useSignal<RunSummary[]>([]);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    askJson<RunList>("/v1/runs", { query: { limit: 50 } }).then(
      (found) => {
        runs.value = found.runs;
      },
      () => undefined,
    );
  }, []);
  const close = () => {
    paletteIsOpen.value = false;
  };
  const words = query.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const found = [...ofScenarios(), ...PLACES, ...runs.value.map(ofRun)]
    .filter(({ kind, text }) => words.every((word) => `${kind} ${text}`.toLowerCase().includes(word)))
    .slice(0, MOST_SHOWN);
  const at = Math.min(chosen.value, Math.max(0, found.length - 1));
  const choose = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    close();
    entry.act();
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") choose(found[at]);
    if (step === undefined) return;
    event.preventDefault();
    chosen.value = (at + step + found.length) % Math.max(1, found.length);
    list.current?.children[chosen.value]?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Dialog title="Search" onClose={close}>
      <input
        class="field is-large"
        type="text"
        role="combobox"
        aria-label="Scenario, view or run"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `palette-${at}` : undefined}
        placeholder="Scenario, view or run…"
        autocomplete="off"
        spellcheck={false}
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          chosen.value = 0;
        }}
        onKeyDown={move}
      />
      <div class="palette" id="palette-list" role="listbox" aria-label="What was found" ref={list}>
        {found.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the box above has the keys
          <div
            key={`${entry.kind} ${entry.text}`}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onClick={() => choose(entry)}
          >
            <Icon name={entry.icon} />
            <span>{entry.text}</span>
            <span class="quiet">{entry.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="quiet pad">Nothing has these words.</p>}
    </Dialog>
  );
}

function ofScenarios(): Entry[] {
  return (scenarios.value ?? []).map(({ id, label }) => ({
    ...{ icon: "play", kind: "Run scenario", text: `${id}. ${label}` },
    act: () => void start({ scenario: id }).catch(say),
  }));
}

function ofRun({ runId, scenario, status, acceptedAt }: RunSummary): Entry {
  const { icon, word } = lookOf(status);
  const what = scenario === null ? "snippet" : `scenario ${scenario}`;
  return {
    ...{ icon, kind: "Open run", text: `${what} ${word} ${ago(acceptedAt)} · ${shortId(runId)}` },
    act: () => go({ view: "run", runId }),
  };
}
