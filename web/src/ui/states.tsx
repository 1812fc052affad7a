// What stands where there is nothing yet, nothing at all, or a fault.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem, Unreachable } from "../api/http.js";
import { Icon, type IconName } from "./icon.js";

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={20} />
      </span>
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-text">{children}</div>}
    </div>
  );
}

/** Shown when it takes long enough to be noticed. */
export function Loading({ what }: { what: string }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="loading" role="status">
      {isLong && (
        <>
          <span class="skeleton" />
          <span class="skeleton is-short" />
          <span class="unseen">{what} is being loaded</span>
        </>
      )}
    </div>
  );
}

export function Fault({ error, onAgain }: { error: unknown; onAgain?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  const isGone = error instanceof Unreachable;
  return (
    <div class="fault" role="alert">
      <Icon name={isGone ? "pulse" : "warn"} />
      <div>
        <p class="fault-title">{error instanceof Error ? error.message : String(error)}</p>
        {problem?.hint && <p>{problem.hint}</p>}
        {isGone && <p>It is asked again as soon as it answers.</p>}
        {problem?.retryAfterMs != null && <Countdown ms={problem.retryAfterMs} {...(onAgain && { onAgain })} />}
        {problem?.retryAfterMs == null && onAgain && (
          <button type="button" class="button" onClick={onAgain}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

/** The service is busy: when it is worth asking again, and then by itself no more than a click away. */
function Countdown({ ms, onAgain }: { ms: number; onAgain?: () => void }) {
  const [left, setLeft] = useState(Math.ceil(ms / 1000));
  useEffect(() => {
    const until = Date.now() + ms;
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000))), 250);
    return () => clearInterval(timer);
  }, [ms]);
  if (onAgain === undefined) return <p>Ask again in {Math.ceil(ms / 1000)} s.</p>;
  return (
    <button type="button" class="button" disabled={left > 0} onClick={onAgain}>
      {left > 0 ? `Try again in ${left} s` : "Try again"}
    </button>
  );
}
