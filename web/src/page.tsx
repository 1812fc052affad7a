// The page as a whole: the door where there is no token, else the head and one of the views.
import { signal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { askJson, Problem } from "./api/http.js";
import { FilesView } from "./files/files-view.js";
import { CompareView } from "./history/compare-view.js";
import { HistoryView } from "./history/history-view.js";
import { RunView } from "./live/run-view.js";
import { loadCatalogue } from "./state/catalogue.js";
import type { Place } from "./state/places.js";
import { actFor, go, place } from "./state/route.js";
import { show } from "./state/runs.js";
import { isOnline, isOthersKey, token, user } from "./state/session.js";
import { StatusView } from "./status/status-view.js";
import { Header } from "./ui/header.js";
import { Help } from "./ui/help.js";
import { Icon } from "./ui/icon.js";
import { addKeys, helpIsOpen, paletteIsOpen } from "./ui/keys.js";
import { Notices } from "./ui/notices.js";
import { Palette } from "./ui/palette.js";
import { AskToken, AskUser } from "./ui/sign-in.js";
import { Loading } from "./ui/states.js";

export function Page() {
  return (
    <>
      <Inside />
      <Notices />
    </>
  );
}

function Inside() {
  if (token.value === null) return <AskToken />;
  if (user.value === null) return <Whose />;
  return <Signed />;
}

/** A key that is bound to a user needs no name; a token that may act for any does. */
function Whose() {
  useEffect(() => {
    askJson("/v1/runs", { query: { limit: 1 } }).then(
      () => {
        user.value = "";
      },
      (error) => {
        if (error instanceof Problem && error.status === 400) mustChoose.value = true;
      },
    );
  }, []);
  return mustChoose.value ? <AskUser /> : <Loading what="The page" />;
}

const mustChoose = signal(false);

function Signed() {
  useEffect(() => {
    void loadCatalogue();
    const to = (view: Place) => () => go(view);
    const open = (which: typeof helpIsOpen) => () => {
      which.value = true;
    };
    return addKeys({
      "g r": to({ view: "run", runId: null }),
      "g h": to({ view: "history" }),
      "g f": to({ view: "files", path: "" }),
      "g s": to({ view: "status" }),
      "mod+k": open(paletteIsOpen),
      "?": open(helpIsOpen),
    });
  }, []);
  useSignalEffect(() => {
    const { value: to } = place;
    void user.value;
    if (to.view === "run") show(to.runId);
  });
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <Header />
      {!isOnline.value && (
        <p class="offline" role="alert">
          <Icon name="pulse" size={14} /> The service cannot be reached. The page goes on by itself when it answers;
          runs go on without it.
        </p>
      )}
      {isOthersKey.value && (
        <p class="offline" role="alert">
          <Icon name="key" size={14} /> This key is bound to another user than {user.value}.
          <button type="button" class="link" onClick={() => actFor("")}>
            Act for the key's own user
          </button>
        </p>
      )}
      <main id="content" class="content" tabIndex={-1}>
        <View to={place.value} />
      </main>
      <Palette />
      <Help />
    </>
  );
}

function skip(): void {
  document.getElementById("content")?.focus();
}

function View({ to }: { to: Place }) {
  switch (to.view) {
    case "history":
      return <HistoryView />;
    case "compare":
      return <CompareView left={to.left} right={to.right} />;
    case "files":
      return <FilesView path={to.path} />;
    case "status":
      return <StatusView />;
    default:
      return <RunView />;
  }
}
