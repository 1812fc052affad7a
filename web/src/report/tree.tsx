// The sandbox's files at the end, as a tree.
import type { WatchedRun } from "../state/run.js";
import { Empty } from "../ui/states.js";

export function TreeTab({ run }: { run: WatchedRun }) {
  const tree = run.result.value?.diagnostics.tree ?? "";
  if (tree === "") {
    return (
      <Empty
        icon="folder"
        title={run.isOver ? "There is no tree of it" : "The tree stands here when the run has ended"}
      />
    );
  }
  return <pre class="tree-text">{tree}</pre>;
}
