// `iso-runtime daemon …`: the resident engine started, stopped, looked at. `serve` is what `start` starts.
import { closeSync, readdirSync, writeSync } from "node:fs";
import { IsoError, toIsoError } from "../../model/errors.js";
import { writeOut } from "../documents.js";
import { orFault } from "../usage-error.js";
import { connectTo } from "./connection.js";
import type { EngineStatus } from "./frames.js";
import { openFolder, pathIn, placeOf, SOCKET } from "./place.js";
import { type StartWord, startProcess, TELL_FD } from "./start.js";

export interface DaemonFlags {
  config?: string;
  json?: boolean;
  idle?: string;
  all?: boolean;
}

interface Found extends EngineStatus {
  /** Whether it is the one that runs of this call would use. */
  ours: boolean;
  name: string;
}

const DEFAULT_IDLE_SECONDS = 600;
const MAX_IDLE_SECONDS = 86_400;
/** Of an engine that is asked for a word. */
const ANSWER_MS = 5_000;

export async function startCommand(flags: DaemonFlags): Promise<number> {
  const told = await orFault(flags.json, async () => {
    const idleSeconds = readIdle(flags.idle);
    const before = await ourEngine(flags);
    if (before !== null) return { started: false, engine: before };
    await startProcess([
      "--idle",
      String(idleSeconds),
      ...(flags.config === undefined ? [] : ["--config", flags.config]),
    ]);
    const engine = await ourEngine(flags);
    if (engine === null)
      throw new IsoError("internal", "The resident engine has started, but this call does not find it.");
    return { started: true, engine };
  });
  const { started, engine } = told;
  if (flags.json) await writeOut(`${JSON.stringify({ ok: true, started, engine })}\n`);
  else
    await writeOut(
      started ? `resident engine started, pid ${engine.pid}\n` : `a resident engine runs already, pid ${engine.pid}\n`,
    );
  return 0;
}

/** 0 also where there was nothing to stop. */
export async function stopCommand(flags: DaemonFlags): Promise<number> {
  const stopped = await orFault(flags.json, async () => {
    const names = (await engines(flags)).filter(({ ours }) => ours || flags.all);
    for (const { name } of names) await stop(flags, name);
    return names.map(({ pid }) => pid);
  });
  if (flags.json) await writeOut(`${JSON.stringify({ ok: true, stopped })}\n`);
  else await writeOut(stopped.length === 0 ? "no resident engine ran\n" : `stopped: pid ${stopped.join(", ")}\n`);
  return 0;
}

/** 0 where runs of this call would use an engine, else 1. */
export async function statusCommand(flags: DaemonFlags): Promise<number> {
  const found = await orFault(flags.json, () => engines(flags));
  const engine = found.find(({ ours }) => ours) ?? null;
  const others = found.filter(({ ours }) => !ours);
  if (flags.json) await writeOut(`${JSON.stringify({ ok: true, engine, others })}\n`);
  else {
    const mine = engine === null ? "no resident engine for this configuration" : describe(engine);
    await writeOut([mine, ...others.map((other) => `of another configuration: ${describe(other)}`), ""].join("\n"));
  }
  return engine === null ? 1 : 0;
}

/** Ends when the engine does. */
export async function serveCommand(flags: DaemonFlags, signal: AbortSignal): Promise<number> {
  const tell = (word: StartWord) => {
    try {
      writeSync(TELL_FD, `${JSON.stringify(word)}\n`);
      closeSync(TELL_FD);
    } catch {
      // Whoever started it is gone, or somebody typed this command.
    }
  };
  let isReady = false;
  try {
    const { serveEngine } = await import("./server.js");
    await serveEngine({ config: flags.config, idleMs: readIdle(flags.idle) * 1000, signal }, () => {
      isReady = true;
      tell({ fault: null });
    });
  } catch (error) {
    const { code, message, hint, field } = toIsoError(error);
    if (!isReady)
      tell({ fault: { code, message, ...(hint !== undefined && { hint }), ...(field !== undefined && { field }) } });
    throw error;
  }
  return 0;
}

function readIdle(text: string | undefined): number {
  if (text === undefined) return DEFAULT_IDLE_SECONDS;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= MAX_IDLE_SECONDS) return seconds;
  throw new IsoError("invalid_request", `--idle: "${text}" must be seconds up to ${MAX_IDLE_SECONDS}`, {
    field: "--idle",
  });
}

async function ourEngine(flags: DaemonFlags): Promise<Found | null> {
  const place = placeOf(flags.config);
  return place && (await ask(place.folder, place.name, true));
}

/** Those of this sandbox root that answer. */
async function engines(flags: DaemonFlags): Promise<Found[]> {
  const place = placeOf(flags.config);
  const fd = place && openFolder(place.folder);
  if (!place || fd === null) return [];
  try {
    const names = readdirSync(pathIn(place.folder, fd, ".")).filter((name) => SOCKET.test(name));
    const asked = names.map((name) => ask(place.folder, name, name === place.name));
    return (await Promise.all(asked)).filter((found) => found !== null);
  } finally {
    closeSync(fd);
  }
}

async function ask(folder: string, name: string, ours: boolean): Promise<Found | null> {
  const connection = await connectTo({ folder, name });
  if (connection === null) return null;
  try {
    connection.send({ do: "status" });
    const answer = await connection.next(ANSWER_MS);
    return answer?.t === "status" ? { ...answer.status, ours, name } : null;
  } finally {
    connection.close();
  }
}

/** Resolves when it has ended; what ran there is brought to its end first. */
async function stop(flags: DaemonFlags, name: string): Promise<void> {
  const folder = placeOf(flags.config)?.folder;
  const connection = folder === undefined ? null : await connectTo({ folder, name });
  if (connection === null) return;
  connection.send({ do: "stop" });
  while ((await connection.next()) !== null);
}

function describe({ pid, runs, served, upSeconds, idleSeconds }: EngineStatus): string {
  const doing = runs > 0 ? `${runs} under way` : `idle for ${idleSeconds} s`;
  return `resident engine, pid ${pid}, up ${upSeconds} s, ${served} runs served, ${doing}`;
}
