// Every action that has a key, in one list: the keyboard is served by it, and `?` shows it.
import { signal } from "@preact/signals";

export interface Key {
  /** As `KeyboardEvent.key`, with "mod+" for ⌘ or Ctrl; two for one after the other. */
  keys: string;
  group: "Run" | "Output and report" | "Go to" | "Files" | "Page";
  says: string;
  /** Also while one writes. */
  everywhere?: true;
}

export const KEYS = [
  { keys: "mod+Enter", group: "Run", says: "Run the snippet", everywhere: true },
  { keys: "c", group: "Run", says: "Cancel the run" },
  { keys: "s", group: "Run", says: "Type a scenario's number" },
  { keys: "e", group: "Run", says: "Go to the editor" },
  { keys: "p", group: "Run", says: "Promise one more file" },
  { keys: "/", group: "Output and report", says: "Search in the output" },
  { keys: "f", group: "Output and report", says: "Follow the newest line" },
  { keys: "w", group: "Output and report", says: "Wrap long lines" },
  { keys: "1", group: "Output and report", says: "Result" },
  { keys: "2", group: "Output and report", says: "Contract" },
  { keys: "3", group: "Output and report", says: "Changes" },
  { keys: "4", group: "Output and report", says: "Tools" },
  { keys: "5", group: "Output and report", says: "Logs" },
  { keys: "6", group: "Output and report", says: "Tree" },
  { keys: "7", group: "Output and report", says: "Policy" },
  { keys: "8", group: "Output and report", says: "Receipt" },
  { keys: "u", group: "Output and report", says: "Undo the run (in Changes)" },
  { keys: "g r", group: "Go to", says: "Run" },
  { keys: "g h", group: "Go to", says: "History" },
  { keys: "g f", group: "Go to", says: "Files" },
  { keys: "g s", group: "Go to", says: "Status" },
  { keys: "a", group: "Files", says: "Send files" },
  { keys: "v", group: "Files", says: "Files or versions" },
  { keys: "d", group: "Files", says: "Download the file" },
  { keys: "Delete", group: "Files", says: "Remove the file" },
  { keys: "x", group: "Page", says: "Compare the chosen runs" },
  { keys: "g u", group: "Page", says: "Choose the user" },
  { keys: "mod+k", group: "Page", says: "Search", everywhere: true },
  { keys: "?", group: "Page", says: "Show the keys" },
] as const satisfies readonly Key[];

type Pressed = (typeof KEYS)[number]["keys"];

export const helpIsOpen = signal(false);
export const paletteIsOpen = signal(false);
/** What each does in the view that is shown; the one that was added last counts. */
const acts: { keys: Pressed; act: () => void }[] = [];

const SECOND_MS = 1_200;
let first = "";
let firstAt = 0;

/** Returns what takes them away again. */
export function addKeys(given: Partial<Record<Pressed, () => void>>): () => void {
  const added = Object.entries(given).map(([keys, act]) => ({ keys: keys as Pressed, act }));
  acts.push(...added);
  return () => {
    for (const each of added) acts.splice(acts.indexOf(each), 1);
  };
}

export function listenToKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const isWriting = writes(event);
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const pressed = `${event.ctrlKey || event.metaKey ? "mod+" : ""}${name}`;
    const isSecond = first !== "" && performance.now() - firstAt < SECOND_MS;
    const isOpen = document.querySelector("dialog[open]") !== null;
    const may = ({ everywhere }: Key) => everywhere === true || !(isWriting || isOpen);
    const keys: readonly Key[] = KEYS;
    const found = keys.find((key) => key.keys === (isSecond ? `${first} ${pressed}` : pressed) && may(key));
    const act = acts.findLast((each) => each.keys === found?.keys);
    first = "";
    if (act !== undefined) {
      event.preventDefault();
      act.act();
    } else if (!isWriting && keys.some((key) => key.keys.startsWith(`${pressed} `))) {
      first = pressed;
      firstAt = performance.now();
    }
  });
}

function writes(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  if (!(target instanceof HTMLElement)) return false;
  const isField = /^(textarea|select)$/i.test(target.tagName);
  return isField || target.isContentEditable || (target instanceof HTMLInputElement && target.type !== "checkbox");
}

const IS_MAC = /mac|iphone|ipad/i.test(navigator.platform);

export function keyNames(keys: string): string[] {
  return keys.split(/[ +]/).map((key) => {
    if (key === "mod") return IS_MAC ? "⌘" : "Ctrl";
    if (key === "Enter") return "⏎";
    return key.length === 1 ? key.toUpperCase() : key.slice(0, 3);
  });
}
