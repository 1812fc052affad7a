// Where the page has no token, or nobody has said for whom it acts.
import { useSignal } from "@preact/signals";
import { actFor } from "../state/route.js";
import { accept, knownUsers, refused } from "../state/session.js";
import { Icon } from "./icon.js";
import { UserForm } from "./user-form.js";

function Frame({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <main class="door">
      <div class="door-card">
        <p class="brand is-large">
          <span class="brand-mark" aria-hidden="true" />
          iso-runtime
        </p>
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

export function AskToken() {
  const text = useSignal("");
  return (
    <Frame title="Which token?">
      <p class="quiet">
        <code>iso-runtime serve</code> prints the page's address with its token when it starts. A key of your own works
        as well.
      </p>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.value.trim() !== "") accept(text.value);
        }}
      >
        <label class="option">
          <span>Token or key</span>
          <input
            class="field is-large"
            type="password"
            autocomplete="off"
            spellcheck={false}
            aria-invalid={refused.value !== null}
            aria-describedby={refused.value === null ? undefined : "token-refused"}
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
            ref={(input) => input?.focus()}
          />
        </label>
        {refused.value !== null && (
          <p class="field-wrong" id="token-refused" role="alert">
            <Icon name="warn" size={14} /> {refused.value} It may be of an earlier start.
          </p>
        )}
        <button type="submit" class="button is-primary is-wide">
          Go on
        </button>
      </form>
      <p class="door-foot quiet">It stays in this tab, and is gone when the tab is closed.</p>
    </Frame>
  );
}

export function AskUser() {
  return (
    <Frame title="For whom?">
      <p class="quiet">
        Runs and files are a user's own. This token may act for any; choose one, and change it at the top at any time.
      </p>
      <UserForm initial={knownUsers.value[0] ?? ""} action="Go on" isWide takesFocus onChosen={actFor} />
    </Frame>
  );
}
