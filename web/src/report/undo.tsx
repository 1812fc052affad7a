// Going back to an earlier state, once somebody has said so; a refusal says why, and offers what there is.
import { useSignal } from "@preact/signals";
import { askJson, Problem } from "../api/http.js";
import { say, tell } from "../state/notices.js";
import { Dialog } from "../ui/dialog.js";
import { plural } from "../ui/format.js";
import { Icon } from "../ui/icon.js";

interface Undone {
  changes: { created: number; modified: number; deleted: number };
}

export interface UndoOptions {
  title: string;
  /** What it means, in a sentence or two. */
  about: string;
  /** The version to go back to; null: the one before the last. */
  version: string | null;
  onClose: () => void;
  onDone: () => void;
}

export function UndoDialog({ title, about, version, onClose, onDone }: UndoOptions) {
  const problem = useSignal<Problem | null>(null);
  const isBusy = useSignal(false);
  const undo = async (withEdits: boolean) => {
    isBusy.value = true;
    try {
      const { changes } = await askJson<Undone>("/v1/workspace/undo", {
        json: { ...(version !== null && { version }), ...(withEdits && { withEdits }) },
      });
      const count = changes.created + changes.modified + changes.deleted;
      tell(count === 0 ? "Gone back: no file had changed." : `Gone back: ${plural(count, "file")} changed.`, "good");
      onDone();
      onClose();
    } catch (error) {
      if (error instanceof Problem && error.status === 409) problem.value = error;
      else {
        say(error);
        onClose();
      }
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="pad stack">
        {problem.value === null ? (
          <p>{about}</p>
        ) : (
          <p class="ending is-warn">
            <Icon name="warn" /> {problem.value.message} {problem.value.hint}
          </p>
        )}
        <div class="actions">
          <button type="button" class="button" onClick={onClose}>
            Leave it
          </button>
          <button
            type="button"
            class="button is-primary"
            disabled={isBusy.value}
            onClick={() => void undo(problem.value !== null)}
          >
            <Icon name="undo" size={14} />
            {problem.value === null ? "Go back" : "Go back all the same"}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
