// The field in which somebody says for whom the page acts.
import { useSignal } from "@preact/signals";

interface UserFormProps {
  /** What stands in the field at first, and what it suggests while it is empty. */
  initial?: string;
  suggested?: string;
  action: string;
  isWide?: boolean;
  takesFocus?: boolean;
  onChosen: (user: string) => void;
}

export function UserForm({ initial = "", suggested = "", action, isWide, takesFocus, onChosen }: UserFormProps) {
  const text = useSignal(initial);
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.value.trim() !== "") onChosen(text.value.trim());
      }}
    >
      <label class="option">
        <span>User</span>
        <input
          class="field is-large"
          type="text"
          autocomplete="off"
          spellcheck={false}
          maxLength={128}
          placeholder={suggested || "alice"}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
          }}
          ref={(input) => {
            if (takesFocus) input?.focus();
          }}
        />
      </label>
      <button type="submit" class={`button is-primary${isWide ? " is-wide" : ""}`}>
        {action}
      </button>
    </form>
  );
}
