// Words about what happened, at the page's corner; and the voice of the page for screen readers.
import { dismiss, notices, spoken } from "../state/notices.js";
import { Icon } from "./icon.js";

export function Notices() {
  return (
    <>
      <div class="notices" role="log" aria-label="Messages" aria-live="polite">
        {notices.value.map(({ id, tone, text, hint }) => (
          <div key={id} class={`notice is-${tone}`}>
            <Icon name={tone === "bad" ? "warn" : tone === "good" ? "ok" : "info"} />
            <div>
              <p>{text}</p>
              {hint !== null && <p class="quiet">{hint}</p>}
            </div>
            <button type="button" class="button is-bare" aria-label="Dismiss" onClick={() => dismiss(id)}>
              <Icon name="close" size={14} />
            </button>
          </div>
        ))}
      </div>
      <p class="unseen" role="status" aria-live="polite">
        {spoken.value}
      </p>
    </>
  );
}
