// What the run was allowed, and by what that was enforced. What this host does not enforce is said, never left out.
import type { EnforcedLimit } from "../api/types.js";
import type { WatchedRun } from "../state/run.js";
import { limitValue } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Empty } from "../ui/states.js";
import { TableBox } from "../ui/table-box.js";

const ABOUT: Record<string, string> = {
  ...{ memory: "memory of all processes together", cpus: "share of processor time" },
  ...{ processes: "processes and threads alive at once", openFiles: "open files of one process" },
  ...{ timeout: "wall time of the program", fileSize: "size of one file", disk: "growth of its files" },
  ...{ files: "new files and folders", output: "bytes of output before the run is ended" },
};
const BY: Record<EnforcedLimit["enforcedBy"], string> = {
  ...{ "cgroup-v1": "the kernel (cgroup v1)", "cgroup-v2": "the kernel (cgroup v2)", rlimit: "the kernel (rlimit)" },
  ...{ mount: "the kernel (mount)", polling: "the host, which watches", none: "nothing on this host" },
};

export function PolicyTab({ run }: { run: WatchedRun }) {
  const result = run.result.value;
  if (result === null) return <Empty icon="shield" title="The policy stands here when the run has ended" />;
  if (result.sandbox === null) return <Empty icon="shield" title="It had no sandbox, so nothing was allowed at all" />;
  const { limits, network, isolation } = result.sandbox.policy;
  const open = Object.values(limits).filter(({ enforcedBy }) => enforcedBy === "none").length;
  return (
    <div class="policy">
      {open > 0 && (
        <p class="amber-note">
          <Icon name="warn" size={14} /> {open === 1 ? "One limit is" : `${open} limits are`} not enforced on this host.
        </p>
      )}
      <TableBox name="Limits of the run">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Limit</th>
              <th scope="col" class="is-number">
                Value
              </th>
              <th scope="col">Enforced by</th>
              <th scope="col" class="is-number">
                Hits
              </th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(limits).map(([name, { value, unit, enforcedBy, hits }]) => (
              <tr key={name} class={enforcedBy === "none" ? "is-amber" : ""}>
                <th scope="row">
                  {name} <span class="quiet">{ABOUT[name] ?? ""}</span>
                </th>
                <td class="is-number">{limitValue(value, unit)}</td>
                <td>
                  {enforcedBy === "none" ? (
                    <>
                      <Icon name="warn" size={13} /> not enforced
                    </>
                  ) : (
                    BY[enforcedBy]
                  )}
                </td>
                <td class="is-number">{hits === null ? <span class="quiet">not counted</span> : hits}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">
                network <span class="quiet">what it can reach</span>
              </th>
              <td class="is-number">{network}</td>
              <td>{isolation.namespaces.includes("net") ? "the kernel (namespace)" : "the backend"}</td>
              <td />
            </tr>
          </tbody>
        </table>
      </TableBox>
      <dl class="facts">
        <div>
          <dt>Namespaces</dt>
          <dd>{isolation.namespaces.join(", ") || "none"}</dd>
        </div>
        <div class={isolation.seccomp ? "" : "is-amber"}>
          <dt>System call filter</dt>
          <dd>{isolation.seccomp ? "on" : "off: not enforced"}</dd>
        </div>
        <div class={isolation.hostUid === null ? "is-amber" : ""}>
          <dt>User on the host</dt>
          <dd>{isolation.hostUid === null ? "the service's own" : `${isolation.hostUid}, nobody's own`}</dd>
        </div>
      </dl>
    </div>
  );
}
