// The one place where engines on this kernel are started with their descriptors, and programs are asked short questions.
import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { IsoError, toIsoError } from "../../model/errors.js";
import { errnoOf } from "../../safefs/errors.js";

const MAX_ANSWER_CHARS = 1024 * 1024;
/** A session of its own: Ctrl-C in a terminal is a signal to every process of the foreground, and only the caller's to answer. */
const OUT_OF_THE_TERMINAL = { detached: true } as const;

export interface Answer {
  /** 0 where it ended well; null where it did not start, was killed or took too long. */
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, with nothing to read and in no folder of the caller's. Never rejects. */
export function ask(
  command: string,
  args: readonly string[],
  { timeoutMs, uid, gid }: { timeoutMs: number; uid?: number; gid?: number },
): Promise<Answer> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      ...OUT_OF_THE_TERMINAL,
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    });
    // With all it started: a wrapper's own child would hold its output open, and us up.
    const kill = () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    };
    const late = setTimeout(kill, timeoutMs);
    let [stdout, stderr] = ["", ""];
    const keep = (kept: string, text: string) => {
      if (kept.length + text.length > MAX_ANSWER_CHARS) kill();
      return (kept + text).slice(0, MAX_ANSWER_CHARS);
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout = keep(stdout, text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = keep(stderr, text);
    });
    child.once("error", (error) => {
      clearTimeout(late);
      resolve({ exitCode: null, stdout, stderr: `${error.message}\n${stderr}` });
    });
    child.once("close", (exitCode, signal) => {
      clearTimeout(late);
      const reason = signal === null ? "" : `${command} was ended by ${signal}\n`;
      resolve({ exitCode, stdout, stderr: reason + stderr });
    });
  });
}

/** A process that leads a session leads its group as well. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

export interface EngineCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Set where the engine itself must start as another user. */
  readonly as: { uid: number; gid: number } | null;
  /** Set where a test wants our own environment handed on. */
  readonly inheritsEnvironment?: boolean;
}

export interface StartedEngine {
  readonly child: ChildProcess;
  readonly stderr: Readable;
  /** Our ends of the descriptors it was given as "pipe", in their order. */
  readonly sockets: readonly Socket[];
}

/**
 * Starts an engine that stays, with nothing on its stdin and stdout, and `descriptors` from number 3 on: a socket of its own for each
 * "pipe", or one of ours. Throws IsoError `sandbox_unavailable` where the process could not even be started.
 */
export function startEngine(
  engine: EngineCommand,
  descriptors: readonly ("pipe" | number)[],
  env: Record<string, string>,
): Promise<StartedEngine> {
  const { command, args, as, inheritsEnvironment } = engine;
  const child = spawn(command, args, {
    ...OUT_OF_THE_TERMINAL,
    cwd: "/",
    ...(!inheritsEnvironment && { env }),
    stdio: ["ignore", "ignore", "pipe", ...descriptors],
    ...(as !== null && as),
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      const message = `${command} could not be started: ${error.message}`;
      // The engine is not to blame, and the table of errors has the way out.
      const hint = errnoOf(error) === "EMFILE" ? toIsoError(error).hint : undefined;
      reject(new IsoError("sandbox_unavailable", message, { cause: error, ...(hint !== undefined && { hint }) }));
    });
    child.once("spawn", () => {
      const { stderr } = child;
      const sockets = child.stdio.slice(3).filter((stream) => stream instanceof Socket);
      if (stderr !== null && sockets.length === descriptors.filter((of) => of === "pipe").length) {
        // A peer that is gone is noticed by the end of the process, not by a failed write.
        for (const socket of [...sockets, stderr]) socket.on("error", () => undefined);
        resolve({ child, stderr, sockets });
      } else {
        child.kill("SIGKILL");
        reject(new IsoError("internal", `${command} was started without its descriptors`));
      }
    });
  });
}
