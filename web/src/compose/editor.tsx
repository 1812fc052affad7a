// The snippet's place: a plain field at once, and the editor in its place as soon as that is loaded.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { code, shownInEditor } from "../state/draft.js";
import { addKeys } from "../ui/keys.js";
import type { Editor } from "./code-editor.js";

const LABEL = "Python snippet. Escape and then Tab leaves the editor.";

export function CodeField({ onRun }: { onRun: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<Editor | null>(null);
  const isLoaded = useSignal(false);
  const run = useRef(onRun);
  run.current = onRun;

  useEffect(() => {
    let isGone = false;
    void import("./code-editor.js").then(
      ({ createEditor }) => {
        if (isGone || place.current === null) return;
        const hadFocus = document.activeElement === field.current;
        editor.current = createEditor({
          ...{ parent: place.current, text: code.peek(), label: LABEL, onRun: () => run.current() },
          onChange: (text) => {
            code.value = text;
          },
        });
        isLoaded.value = true;
        if (hadFocus) editor.current.focus();
      },
      // Without it the plain field stays, which can do all that is needed.
      () => undefined,
    );
    return () => {
      isGone = true;
      editor.current?.close();
      editor.current = null;
    };
  }, []);
  useSignalEffect(() => {
    const { text, line } = shownInEditor.value;
    if (text !== null && text !== editor.current?.text()) editor.current?.set(text);
    if (line !== null) editor.current?.goTo(line);
  });
  useEffect(() => addKeys({ e: () => (editor.current ?? field.current)?.focus() }), []);

  return (
    <div class="editor">
      <div ref={place} class="editor-place" />
      {!isLoaded.value && (
        <textarea
          ref={field}
          class="editor-plain"
          aria-label="Python snippet"
          spellcheck={false}
          value={code.value}
          onInput={(event) => {
            code.value = event.currentTarget.value;
          }}
        />
      )}
    </div>
  );
}
