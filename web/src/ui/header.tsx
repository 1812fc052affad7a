// The head of the page: for whom, where to, how the service is doing.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Place } from "../state/places.js";
import { actFor, addressTo, place } from "../state/route.js";
import { isOnline, isOthersKey, knownUsers, signOut, user } from "../state/session.js";
import { state, stateFailure, watch } from "../status/poll.js";
import { Dialog } from "./dialog.js";
import { Keycap } from "./help.js";
import { Icon, type IconName } from "./icon.js";
import { addKeys, helpIsOpen, paletteIsOpen } from "./keys.js";
import { UserForm } from "./user-form.js";

const SEEN_EVERY_MS = 4_000;
const VIEWS: [IconName, string, Place, readonly string[]][] = [
  ["play", "Run", { view: "run", runId: null }, ["run"]],
  ["history", "History", { view: "history" }, ["history", "compare"]],
  ["folder", "Files", { view: "files", path: "" }, ["files"]],
  ["pulse", "Status", { view: "status" }, ["status"]],
];

export function Header() {
  useEffect(() => watch(SEEN_EVERY_MS), []);
  return (
    <header class="top">
      <a class="brand" href={addressTo({ view: "run", runId: null })} aria-label="iso-runtime, to the first view">
        <span class="brand-mark" aria-hidden="true" />
        <span class="brand-name">iso-runtime</span>
      </a>
      <UserButton />
      <nav class="views" aria-label="Views">
        {VIEWS.map(([icon, name, to, shownIn]) => (
          <a key={name} href={addressTo(to)} aria-current={shownIn.includes(place.value.view) ? "page" : undefined}>
            <Icon name={icon} size={15} />
            <span>{name}</span>
          </a>
        ))}
      </nav>
      <span class="grow" />
      <button
        type="button"
        class="button search-button"
        aria-label="Search"
        onClick={() => (paletteIsOpen.value = true)}
      >
        <Icon name="search" size={14} />
        <span class="search-word">Search</span>
        <Keycap keys="mod+k" />
      </button>
      <Service />
      <button
        type="button"
        class="button is-bare keys-button"
        aria-label="Keys"
        title="Keys (?)"
        onClick={() => (helpIsOpen.value = true)}
      >
        <kbd>?</kbd>
      </button>
    </header>
  );
}

function Service() {
  const now = state.value;
  if (!isOnline.value) {
    return (
      <span class="service is-bad" role="status">
        <span class="service-dot" aria-hidden="true" /> offline
      </span>
    );
  }
  const ready = now?.pool.reduce((sum, each) => sum + each.ready, 0) ?? 0;
  const says =
    now === null ? (stateFailure.value === null ? "…" : "no state") : `${ready} warm · ${now.runs.queued} queued`;
  return (
    <a
      class={now?.stopping ? "service is-warn" : "service is-good"}
      href={addressTo({ view: "status" })}
      aria-label={`Service: ${now?.stopping ? "stopping, " : ""}${says}`}
    >
      <span class="service-dot" aria-hidden="true" />
      <span class="service-words">
        {now?.stopping ? "stopping" : now === null ? says : `${ready} warm`}
        {now !== null && !now.stopping && <span class="service-queue"> · {now.runs.queued} queued</span>}
      </span>
    </a>
  );
}

function UserButton() {
  const isOpen = useSignal(false);
  useEffect(
    () =>
      addKeys({
        "g u": () => {
          isOpen.value = true;
        },
      }),
    [],
  );
  const name = user.value === "" ? "the key's own" : user.value;
  const { value: isRefused } = isOthersKey;
  return (
    <>
      <button
        type="button"
        class={isRefused ? "button user is-refused" : "button user"}
        aria-haspopup="dialog"
        aria-label={`User: ${name}`}
        onClick={() => (isOpen.value = true)}
      >
        <Icon name="user" size={14} />
        <span class="user-name">{name}</span>
        <span class="caret" aria-hidden="true" />
      </button>
      {isOpen.value && <UserDialog onClose={() => (isOpen.value = false)} />}
    </>
  );
}

function UserDialog({ onClose }: { onClose: () => void }) {
  const choose = (name: string) => {
    onClose();
    actFor(name);
  };
  return (
    <Dialog title="For whom?" onClose={onClose}>
      <div class="pad stack">
        <UserForm suggested={user.value ?? ""} action="Act for this user" onChosen={choose} />
        {knownUsers.value.length > 0 && (
          <ul class="known-users" aria-label="Users of this tab">
            {knownUsers.value.map((name) => (
              <li key={name}>
                <button type="button" class="chip" aria-pressed={name === user.value} onClick={() => choose(name)}>
                  <Icon name="user" size={13} /> {name}
                </button>
              </li>
            ))}
          </ul>
        )}
        <hr />
        <div class="actions">
          <button type="button" class="button is-quiet" onClick={() => choose("")}>
            <Icon name="key" size={14} /> The key's own user
          </button>
          <span class="grow" />
          <button
            type="button"
            class="button is-quiet"
            onClick={() => {
              onClose();
              signOut();
            }}
          >
            Forget the token
          </button>
        </div>
      </div>
    </Dialog>
  );
}
