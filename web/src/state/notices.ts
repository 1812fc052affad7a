// What happened, in a word: shown for a while, and read out by a screen reader.
import { signal } from "@preact/signals";
import { isOnline } from "./session.js";

export interface Notice {
  id: number;
  tone: "plain" | "good" | "bad";
  text: string;
  hint: string | null;
}

const SHOWN_MS = 6_000;
const SHOWN_WHEN_BAD_MS = 12_000;
export const notices = signal<Notice[]>([]);
/** For a screen reader alone. */
export const spoken = signal("");
let nextId = 1;

export function tell(text: string, tone: Notice["tone"] = "plain", hint: string | null = null): void {
  const notice = { id: nextId, tone, text, hint };
  nextId += 1;
  notices.value = [...notices.value.slice(-3), notice];
  setTimeout(() => dismiss(notice.id), tone === "bad" ? SHOWN_WHEN_BAD_MS : SHOWN_MS);
}

export function say(error: unknown): void {
  // The page says that at its head, for as long as it lasts.
  if (!isOnline.value) return;
  const { message, hint = null } = error as { message?: string; hint?: string | null };
  tell(message ?? String(error), "bad", hint);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function speak(text: string): void {
  spoken.value = text;
}
