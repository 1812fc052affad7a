// The tabs of a run: each says in its head how much there is behind it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { WatchedRun } from "../state/run.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { type Tab, TabPanel, Tabs } from "../ui/tabs.js";
import { ChangesTab } from "./changes.js";
import { ContractTab } from "./contract.js";
import { LogsTab } from "./logs.js";
import { PolicyTab } from "./policy.js";
import { ReceiptTab } from "./receipt.js";
import { ResultTab } from "./result.js";
import { ToolsTab } from "./tools.js";
import { TreeTab } from "./tree.js";

const VIEWS = {
  ...{ result: ResultTab, contract: ContractTab, changes: ChangesTab, tools: ToolsTab },
  ...{ logs: LogsTab, tree: TreeTab, policy: PolicyTab, receipt: ReceiptTab },
};
type ViewName = keyof typeof VIEWS;
const NAMES = Object.keys(VIEWS) as ViewName[];

export function Report({ run }: { run: WatchedRun }) {
  const chosen = useSignal<ViewName>("result");
  useEffect(
    () =>
      addKeys(
        Object.fromEntries(
          NAMES.map((name, index) => [
            String(index + 1),
            () => {
              chosen.value = name;
            },
          ]),
        ),
      ),
    [],
  );
  const View = VIEWS[chosen.value];
  return (
    <section class="report" aria-label="Report">
      <Tabs
        name="report"
        tabs={tabsOf(run)}
        chosen={chosen.value}
        onChoose={(id) => {
          chosen.value = id as ViewName;
        }}
      />
      <TabPanel name="report" chosen={chosen.value}>
        <View run={run} />
      </TabPanel>
    </section>
  );
}

function tabsOf(run: WatchedRun): Tab[] {
  const contract = run.contract.value;
  const kept = contract.filter(({ status }) => status === "satisfied").length;
  const result = run.result.value;
  const changes = run.changes.value;
  const totals = result?.totals ?? {
    ...{ created: changes?.created.length ?? 0, modified: changes?.modified.length ?? 0 },
    ...{ deleted: changes?.deleted.length ?? 0, toolCalls: run.tools.value.list.length, errorLines: 0 },
  };
  const { created, modified, deleted, toolCalls, errorLines } = totals;
  const limits = Object.values(result?.sandbox?.policy.limits ?? {});
  const open = limits.filter(({ enforcedBy }) => enforcedBy === "none").length;
  return [
    { id: "result", label: "Result" },
    {
      ...{ id: "contract", label: "Contract", says: `${kept} of ${contract.length} files are right` },
      ...(contract.length > 0 && {
        count: <span class={kept < contract.length ? "is-bad" : "is-good"}>{`${kept}/${contract.length}`}</span>,
      }),
    },
    {
      ...{ id: "changes", label: "Changes", says: `${created} created, ${modified} modified, ${deleted} deleted` },
      ...(created + modified + deleted > 0 && { count: `+${created} ~${modified} −${deleted}` }),
    },
    { id: "tools", label: "Tools", says: `${toolCalls} calls`, ...(toolCalls > 0 && { count: toolCalls }) },
    {
      ...{ id: "logs", label: "Logs", says: `${errorLines} lines with an error` },
      ...(errorLines > 0 && {
        count: (
          <span class="is-bad">
            <Icon name="warn" size={11} />
            {errorLines}
          </span>
        ),
      }),
    },
    { id: "tree", label: "Tree" },
    {
      ...{ id: "policy", label: "Policy" },
      ...(open > 0 && { count: <span class="is-warn">{open} open</span>, says: `${open} limits are not enforced` }),
    },
    { id: "receipt", label: "Receipt" },
  ];
}
