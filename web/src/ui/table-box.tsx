// A table that scrolls sideways where it has no room; with a name, and reached by the keyboard.
import type { ComponentChildren } from "preact";

export function TableBox({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="table-box" tabIndex={0} aria-label={name}>
      {children}
    </section>
  );
}
