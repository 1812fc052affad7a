// Who is here: the token, which this tab alone keeps, the user it acts for, and whether the service answers.
import { signal } from "@preact/signals";

const TOKEN_KEY = "iso-runtime.token";
const KNOWN_USERS_KEY = "iso-runtime.users";
const MOST_KNOWN_USERS = 8;

/** Null: nobody has told it yet. */
export const token = signal<string | null>(null);
/** Null: to be chosen. "": the one that the key itself is bound to. */
export const user = signal<string | null>(null);
/** Why the service refused the token. */
export const refused = signal<string | null>(null);
/** The key is bound to another user than the chosen one. */
export const isOthersKey = signal(false);
/** False while the service cannot be reached. */
export const isOnline = signal(true);
export const knownUsers = signal<string[]>([]);

/** Takes the token out of the address, where it must not stay, and goes on as what this tab had. */
export function begin(): void {
  const hash = new URLSearchParams(location.hash.startsWith("#/") ? "" : location.hash.slice(1));
  const given = hash.get("token");
  const forUser = hash.get("user");
  if (given !== null) {
    const place = forUser === null ? "#/" : `#/u/${encodeURIComponent(forUser)}/`;
    history.replaceState(null, "", `${location.pathname}${place}`);
    accept(given);
  } else {
    token.value = sessionStorage.getItem(TOKEN_KEY);
  }
  knownUsers.value = kept();
}

export function accept(given: string): void {
  token.value = given.trim();
  refused.value = null;
  sessionStorage.setItem(TOKEN_KEY, given.trim());
}

/** The service would not have it: it is asked for again. */
export function refuse(why: string): void {
  if (token.value === null) return;
  token.value = null;
  refused.value = why;
  sessionStorage.removeItem(TOKEN_KEY);
}

export function signOut(): void {
  token.value = null;
  refused.value = null;
  sessionStorage.clear();
}

export function remember(name: string): void {
  if (name === "") return;
  knownUsers.value = [name, ...knownUsers.value.filter((known) => known !== name)].slice(0, MOST_KNOWN_USERS);
  sessionStorage.setItem(KNOWN_USERS_KEY, JSON.stringify(knownUsers.value));
}

function kept(): string[] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KNOWN_USERS_KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((name) => typeof name === "string").slice(0, MOST_KNOWN_USERS) : [];
  } catch {
    return [];
  }
}

const LOOK_AGAIN_MS = 1_500;
let looking = false;

export function reached(): void {
  isOnline.value = true;
}

/** Looks again and again until it answers. */
export function lost(): void {
  isOnline.value = false;
  if (looking) return;
  looking = true;
  const look = async (): Promise<void> => {
    const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
    if (answer?.ok) {
      looking = false;
      isOnline.value = true;
      return;
    }
    setTimeout(() => void look(), LOOK_AGAIN_MS);
  };
  setTimeout(() => void look(), LOOK_AGAIN_MS);
}
