// How the service and its host are doing: what waits, what runs, and what of the host is used.
import { useEffect } from "preact/hooks";
import type { State, Status } from "../api/types.js";
import { profiles } from "../state/catalogue.js";
import { lookOf } from "../ui/ending.js";
import { bytes, duration, limitValue } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Fault, Loading } from "../ui/states.js";
import { TableBox } from "../ui/table-box.js";
import { LivePlot } from "./live-plot.js";
import { state, stateFailure, watch } from "./poll.js";
import { Usage } from "./usage.js";

const EVERY_MS = 1_000;

export function StatusView() {
  useEffect(() => watch(EVERY_MS), []);
  const now = state.value;
  return (
    <section class="view" aria-labelledby="status-title">
      <header class="view-head">
        <h1 id="status-title">Status</h1>
        {now !== null && (
          <span class="quiet">
            iso-runtime {now.version} · Node.js {now.node} · up {duration(now.uptimeMs)}
          </span>
        )}
      </header>
      {stateFailure.value !== null && <Fault error={stateFailure.value} />}
      {now === null && stateFailure.value === null && <Loading what="The state of the service" />}
      {now !== null && <Now state={now} />}
    </section>
  );
}

function Now({ state: now }: { state: State }) {
  const { runs, pool, host } = now;
  const ready = pool.reduce((sum, each) => sum + each.ready, 0);
  return (
    <>
      {now.stopping && (
        <p class="amber-note">
          <Icon name="warn" size={14} /> The service is stopping and takes no more runs.
        </p>
      )}
      <dl class="tiles">
        <Tile
          name="Running"
          value={runs.running + runs.waiting}
          says={runs.waiting > 0 ? `${runs.waiting} wait for a tool` : "now"}
        />
        <Tile name="Queued" value={runs.queued} says="wait for their turn" />
        <Tile
          name="Places"
          value={`${now.places.taken}/${now.places.all}`}
          says={`taken; at most ${now.places.ofEachUser} of one user`}
        />
        <Tile name="Ready" value={ready} says="sandboxes booted ahead" />
        <Tile
          name="Warm starts"
          value={share(runs.warm, runs.warm + runs.cold)}
          says={`of ${runs.warm + runs.cold} runs`}
        />
        <Tile name="Readers" value={now.readers} says="follow events" />
      </dl>
      <div class="plots">
        <LivePlot
          title="Runs"
          series={[
            { label: "at work", colour: "--accent", isFilled: true, of: ({ busy }) => busy },
            { label: "queued", colour: "--warn", of: ({ queued }) => queued },
          ]}
        />
        <LivePlot
          title="Sandboxes ready"
          series={[{ label: "ready", colour: "--good", isFilled: true, of: (each) => each.ready }]}
        />
        <LivePlot
          title="Processor of the service"
          unit=" %"
          most={100}
          series={[{ label: "of one", colour: "--accent", isFilled: true, of: ({ cpu }) => cpu }]}
        />
        <LivePlot
          title={`Load of the host, ${host.processors} processors`}
          most={host.processors}
          series={[{ label: "1 min", colour: "--accent", isFilled: true, of: ({ load }) => load }]}
        />
        <LivePlot
          title={`Memory of the host, ${bytes(host.memoryBytes)}`}
          unit=" %"
          most={100}
          series={[{ label: "used", colour: "--accent", isFilled: true, of: ({ usedMemory }) => usedMemory }]}
        />
        <LivePlot
          title="Memory of the service"
          unit=" MiB"
          series={[{ label: "resident", colour: "--accent", isFilled: true, of: ({ rssMiB }) => rssMiB }]}
        />
      </div>
      <div class="cards">
        <section class="card">
          <h2>Pool</h2>
          {now.backend !== null && (
            <p class="quiet">
              <b>{now.backend.name}</b>: {now.backend.why}
            </p>
          )}
          {pool.length === 0 ? (
            <p class="quiet">No sandbox waits: the first run opens the pool.</p>
          ) : (
            <TableBox name="Pool">
              <table class="table">
                <thead>
                  <tr>
                    <th scope="col">Backend</th>
                    <th scope="col">Profile</th>
                    <th scope="col" class="is-number">
                      Ready
                    </th>
                    <th scope="col" class="is-number">
                      Booting
                    </th>
                    <th scope="col" class="is-number">
                      In use
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {pool.map(({ backend, profile, ready: waiting, booting, users }) => (
                    <tr key={`${backend} ${profile}`}>
                      <th scope="row">{backend}</th>
                      <td>{profile}</td>
                      <td class="is-number">{waiting}</td>
                      <td class="is-number">{booting}</td>
                      <td class="is-number">{users}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </TableBox>
          )}
        </section>
        <section class="card">
          <h2>Endings</h2>
          <Endings ended={runs.ended} />
        </section>
        <Usage />
        <Limits />
      </div>
    </>
  );
}

function Tile({ name, value, says }: { name: string; value: number | string; says: string }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <b>{value}</b> <span class="quiet">{says}</span>
      </dd>
    </div>
  );
}

const share = (part: number, whole: number): string => (whole === 0 ? "–" : `${Math.round((part / whole) * 100)} %`);

function Endings({ ended }: { ended: Record<string, number> }) {
  const all = Object.values(ended).reduce((sum, count) => sum + count, 0);
  if (all === 0) return <p class="quiet">No run has ended since the service started.</p>;
  return (
    <ul class="endings">
      {Object.entries(ended).map(([status, count]) => {
        const { word, icon, tone } = lookOf(status as Status);
        return (
          <li key={status}>
            <span class={`ending is-${tone}`}>
              <Icon name={icon} size={14} />
              {word}
            </span>
            <span class="meter" aria-hidden="true">
              <span class={`is-${tone}`} style={{ width: `${(count / all) * 100}%` }} />
            </span>
            <span>{count}</span>
          </li>
        );
      })}
    </ul>
  );
}

function Limits() {
  const known = profiles.value;
  if (known === null) return null;
  const names = Object.keys(known.profiles[0]?.limits ?? {});
  return (
    <section class="card is-wide">
      <h2>Limits by profile</h2>
      <TableBox name="Limits by profile">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Limit</th>
              {known.profiles.map(({ name }) => (
                <th key={name} scope="col" class="is-number">
                  {name}
                  {name === known.default && <span class="quiet"> (default)</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {known.profiles.map(({ name: profile, limits }) => (
                  <td key={profile} class="is-number">
                    {limitValue(limits[name] ?? 0, UNITS[name] ?? "")}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
      <p class="quiet">What of these the host enforces, and by what, each run's Policy says.</p>
    </section>
  );
}

const UNITS: Record<string, string> = {
  memory: "bytes",
  fileSize: "bytes",
  disk: "bytes",
  output: "bytes",
  timeout: "ms",
};
