// The story of `iso-runtime bench`: roots of its own, the backends that work here, and all sides in turns, so that a noisy moment
// meets each of them. The operator's workspaces are not touched, and nothing is left.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type HostReport, inspectHost } from "../harness/doctor.js";
import { IsoError } from "../model/errors.js";
import { BACKEND_NAMES } from "../sandbox/backends.js";
import { findInterpreter } from "../sandbox/linux/interpreter.js";
import { processEnvironment } from "../settings/environment.js";
import { loadSettings, resolveProfile } from "../settings/settings.js";
import { makeScratchRoots, type ScratchRoots } from "../workspace/scratch.js";
import { currentLoad, describeMachine } from "./machine.js";
import type { BenchOptions } from "./options.js";
import { type BenchReport, type Measured, makeReport, type Skipped } from "./report.js";
import { bareSide, LibrarySides, type Side, STANDARD, type Turn } from "./sides.js";

/** A sandbox that said hello still loads modules for a moment. */
const SETTLE_MS = 100;
/** Not counted: files are read for the first time, and code is compiled. */
const WARM_UP_ROUNDS = 1;

/** Throws IsoError `sandbox_unavailable` where no backend works, `cancelled`, and others for what is wrong in the options. */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const given = givenOf(options);
  const settings = loadSettings({ flags: given, ...processEnvironment() });
  const profile = resolveProfile(settings, {}, BACKEND_NAMES);
  const before = currentLoad();
  await using roots = await makeScratchRoots(settings.sandboxRoot);
  const host = await inspectHost({ ...given, workspaceRoot: roots.workspaceRoot, sandboxRoot: roots.sandboxRoot });
  const { names, skipped } = chooseBackends(options.backends, profile.backend, host);
  const interpreter = await findInterpreter({
    ...{ chosen: profile.python ?? settings.python, searchPath: settings.searchPath, packages: [] },
  });

  const bare = options.concurrency.map((concurrency) => bareSide(interpreter, concurrency));
  const libraries: LibrarySides[] = [];
  let measured: Measured[];
  try {
    const sides = await openSides(names, options, roots, libraries);
    measured = await takeTurns([...bare, ...sides], libraries, options);
  } finally {
    await Promise.all(libraries.map((library) => library.close()));
  }

  const engines = Object.fromEntries(names.map((name) => [name, engineOf(name, host)]));
  const about = {
    program: options.code === null ? STANDARD : "a program of the caller's",
    rounds: options.rounds,
    machine: describeMachine(interpreter, options.version, engines),
    load: { before, after: currentLoad() },
    skipped,
  };
  return makeReport(about, measured);
}

/** What is opened is in `libraries` for the caller to close, also where this throws. */
async function openSides(
  names: readonly string[],
  options: BenchOptions,
  roots: ScratchRoots,
  libraries: LibrarySides[],
): Promise<Side[]> {
  const { signal, code } = options;
  const cells = options.concurrency.flatMap((concurrency) =>
    names.flatMap((backend) => options.starts.map((start) => ({ backend, start, concurrency }))),
  );
  const sides: Side[] = [];
  for (const cell of cells) {
    const folder = `${cell.backend}-${cell.start}-${cell.concurrency}`;
    const own = { workspaceRoot: join(roots.workspaceRoot, folder), sandboxRoot: join(roots.sandboxRoot, folder) };
    const library = await LibrarySides.open({ ...cell, code, signal, given: givenOf(options), roots: own });
    libraries.push(library);
    for (const files of options.files) {
      throwIfCancelled(signal);
      sides.push(await library.side(files));
    }
  }
  return sides;
}

async function takeTurns(
  sides: readonly Side[],
  libraries: readonly LibrarySides[],
  { rounds, signal, onTurn }: BenchOptions,
): Promise<Measured[]> {
  const measured = sides.map((side) => ({ key: side, side, turns: [] as Turn[] }));
  const all = (rounds + WARM_UP_ROUNDS) * sides.length;
  let done = 0;
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    // Each goes first as often as any other.
    for (const { side, turns } of round % 2 === 0 ? measured : measured.toReversed()) {
      throwIfCancelled(signal);
      await Promise.all(libraries.map((library) => library.settle()));
      await sleep(SETTLE_MS);
      const turn = await side.turn();
      if (round >= 0) turns.push(turn);
      onTurn?.(++done, all);
    }
  }
  return measured;
}

/** Those that were named, all of which must work; else all that work here, or the profile's own. */
function chooseBackends(
  named: readonly string[] | null,
  ofProfile: string,
  { backends }: HostReport,
): { names: string[]; skipped: Skipped[] } {
  const wanted = named ?? (ofProfile === "auto" ? backends.map(({ name }) => name) : [ofProfile]);
  const names: string[] = [];
  const skipped: Skipped[] = [];
  for (const name of wanted) {
    const found = backends.find((backend) => backend.name === name);
    if (found?.usable) names.push(name);
    else skipped.push({ backend: name, reason: whyNot(found) });
  }
  const isRefused = named !== null && skipped.length > 0;
  if (names.length > 0 && !isRefused) return { names, skipped };
  const reasons = skipped.map(({ backend, reason }) => `${backend}: ${reason}`).join(" | ");
  throw new IsoError("sandbox_unavailable", `There is nothing to measure. ${reasons}`);
}

function whyNot(backend: HostReport["backends"][number] | undefined): string {
  const failed = backend?.checks.find(({ status }) => status === "fail");
  return failed ? `${failed.name}: ${failed.message}` : "it does not work here";
}

function engineOf(name: string, { backends }: HostReport): string {
  return backends.find((backend) => backend.name === name)?.checks[0]?.message ?? "";
}

function givenOf({ profile, config }: BenchOptions) {
  return { ...(profile !== undefined && { profile }), ...(config !== undefined && { config }) };
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new IsoError("cancelled", "The benchmark was cancelled.");
}
