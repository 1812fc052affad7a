// Every action that has a key, in one list: the keyboard is served by it, and `?` shows it.
import { signal } from "@preact/signals";

export interface Key {
  /** As `KeyboardEvent.key`, with "mod+" for ⌘ or Ctrl; two for one after the other. */
  keys: string;
  group: "Run" | "Output" | "Go to" | "Page";
  says: string;
  act: () => void;
  /** Also while one writes. */
  everywhere?: true;
}

export const helpIsOpen = signal(false);
export const paletteIsOpen = signal(false);
const all: Key[] = [];
export const keyList = (): readonly Key[] => all;

const SECOND_MS = 1_200;
let first = "";
let firstAt = 0;

/** Returns what takes them away again. */
export function addKeys(keys: readonly Key[]): () => void {
  all.push(...keys);
  return () => {
    for (const key of keys) all.splice(all.indexOf(key), 1);
  };
}

export function listenToKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const isWriting = writes(event);
    const pressed = `${event.ctrlKey || event.metaKey ? "mod+" : ""}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
    const isSecond = first !== "" && performance.now() - firstAt < SECOND_MS;
    const both = isSecond ? `${first} ${pressed}` : "";
    const isOpen = document.querySelector("dialog[open]") !== null;
    const found =
      all.find(({ keys, everywhere }) => keys === both && (!isWriting || everywhere)) ??
      all.find(({ keys, everywhere }) => keys === pressed && (!isWriting || everywhere));
    first = "";
    if (found !== undefined && (!isOpen || found.everywhere)) {
      event.preventDefault();
      found.act();
    } else if (!isWriting && all.some(({ keys }) => keys.startsWith(`${pressed} `))) {
      first = pressed;
      firstAt = performance.now();
    }
  });
}

function writes(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
}

const IS_MAC = /mac|iphone|ipad/i.test(navigator.platform);

export function keyNames(keys: string): string[] {
  return keys.split(/[ +]/).map((key) => {
    if (key === "mod") return IS_MAC ? "⌘" : "Ctrl";
    if (key === "Enter") return "⏎";
    return key.length === 1 ? key.toUpperCase() : key;
  });
}
