// One launcher process as the host sees it: started with its plan, asked for sandboxes, listened to for their ends.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { z } from "zod";
import { IsoError } from "../../model/errors.js";
import { inTime } from "../../model/in-time.js";
import type { FileOwner } from "../../model/instance.js";
import { InitProcess } from "../init-process.js";
import { EngineLog } from "../linux/engine-log.js";
import { type EngineCommand, type StartedEngine, startEngine } from "../linux/spawn.js";
import type { SpareSlots } from "../slot.js";
import { type Door, SLOT_ID_CHARS, TOKEN_CHARS } from "./door.js";
import type { LauncherPlan } from "./plan.js";

/** Number of the descriptor its control socket is at. */
export const CONTROL_FD = 3;
/** Time for an interpreter to load what it shall find loaded, on a machine under load. */
const READY_TIMEOUT_MS = 60_000;
const FORK_TIMEOUT_MS = 30_000;
const MAX_LINE_BYTES = 64 * 1024;

const Message = z.union([
  // Those of each run first: the others are tried after them.
  z.object({ forked: z.string(), pid: z.number().int().min(2) }),
  z.object({ gone: z.string(), status: z.number().int() }),
  z.object({ refused: z.string(), message: z.string() }),
  z.object({ unshared: z.literal(true) }),
  z.object({ ready: z.literal(true) }),
  z.object({ failed: z.string() }),
  z.object({ refusedImport: z.string() }),
]);
type Message = z.infer<typeof Message>;

export interface ForkOrder {
  readonly id: string;
  /** Name of its folder below the plan's `slots`. */
  readonly folder: string;
  readonly tmpfsBytes: number;
  /** Files by which it puts itself into its control group. */
  readonly doors: readonly string[];
}

/** A sandbox that waits to be told to go. */
export interface Forked {
  readonly id: string;
  readonly init: InitProcess;
  readonly control: Socket;
  /** Settles when no process of it is left, or the launcher is gone. */
  readonly gone: Promise<void>;
  /** Whether it puts itself into its control group when told to go. */
  readonly joinsItself: boolean;
}

interface Waiting {
  resolve(born: Born): void;
  reject(error: Error): void;
}

interface Born {
  readonly init: InitProcess;
  readonly gone: Promise<void>;
}

export interface LauncherOptions {
  readonly engine: EngineCommand;
  readonly env: Record<string, string>;
  readonly plan: LauncherPlan;
  readonly door: Door;
  /** Whom the launcher itself is on the host: root of its own namespace, and of nothing else. */
  readonly own: FileOwner;
  /** Whom its sandboxes are on the host. */
  readonly sandboxUser: FileOwner;
  /** Text of its maps of users and of groups, where the host writes them. */
  readonly idMap: string | null;
  /** Folders of its tenant's that serve again; null where they are not root's. */
  readonly spareSlots: SpareSlots | null;
  /** No process of either is left. */
  readonly onEnd: () => void;
}

export class Launcher {
  readonly #options: LauncherOptions;
  readonly #process: StartedEngine;
  readonly #control: Socket;
  readonly #log: EngineLog;
  readonly #token = randomBytes(TOKEN_CHARS / 2).toString("hex");
  readonly #forking = new Map<string, Waiting>();
  readonly #living = new Map<string, { init: InitProcess; ended: () => void }>();
  readonly ended: Promise<void>;
  #heard: { next(message: Message): void } | null = null;
  #unread = "";
  #holds = 0;
  #asked = false;
  #lost: string | null = null;
  #forks = 0;
  #retired = false;
  #reserved = 0;

  private constructor(options: LauncherOptions, started: StartedEngine, control: Socket) {
    this.#options = options;
    this.#process = started;
    this.#control = control;
    this.#log = new EngineLog(started.stderr);
    this.ended = new Promise((resolve) => {
      started.child.once("exit", (code, signal) => {
        this.#onExit(code, signal);
        resolve();
      });
    });
    control.setEncoding("utf8").on("data", (text: string) => this.#onText(text));
  }

  /** Throws IsoError `sandbox_unavailable` with what the launcher said. */
  static async start(options: LauncherOptions): Promise<Launcher> {
    const started = await startEngine(options.engine, ["pipe"], options.env);
    const [control] = started.sockets;
    if (control === undefined) throw new IsoError("internal", "the launcher was started without its control socket");
    const launcher = new Launcher(options, started, control);
    try {
      await launcher.#getReady();
    } catch (error) {
      launcher.kill();
      await launcher.ended;
      throw error;
    }
    launcher.#unref();
    return launcher;
  }

  /** Why it ended where nobody here asked it to. */
  get lost(): string | null {
    return this.#lost;
  }

  /** Whom it is on the host. */
  get own(): FileOwner {
    return this.#options.own;
  }

  get spareSlots(): SpareSlots | null {
    return this.#options.spareSlots;
  }

  get sandboxUser(): FileOwner {
    return this.#options.sandboxUser;
  }

  /** How many sandboxes came from it. */
  get forks(): number {
    return this.#forks;
  }

  get isAlive(): boolean {
    return this.#process.child.exitCode === null && this.#process.child.signalCode === null;
  }

  /** What it said on stderr, which is of all its sandboxes. */
  lines(): string[] {
    return this.#log.lines();
  }

  /** Throws IsoError `sandbox_unavailable` where it cannot. The caller ends what it was given. */
  async fork(order: ForkOrder): Promise<Forked> {
    if (order.id.length !== SLOT_ID_CHARS)
      throw new IsoError("internal", `a sandbox id of ${order.id.length} characters`);
    const { id, folder, tmpfsBytes, doors } = order;
    this.#forks += 1;
    const arrival = this.#options.door.expect(this.#token, id);
    this.hold();
    try {
      const late = () => new Error(`the launcher did not fork a sandbox within ${FORK_TIMEOUT_MS / 1000} s`);
      const told = new Promise<Born>((resolve, reject) => this.#forking.set(id, { resolve, reject }));
      const { own, sandboxUser: user } = this.#options;
      const [uid, gid] = [user.uid === own.uid ? 0 : user.uid, user.gid === own.gid ? 0 : user.gid];
      this.#say({ id, folder, uid, gid, tmpfsBytes, doors });
      // Told first or connected first: both must be there.
      const [{ init, gone }, control] = await inTime(Promise.all([told, arrival.socket]), FORK_TIMEOUT_MS, late);
      return { id, init, control, gone, joinsItself: doors.length > 0 };
    } finally {
      this.#forking.delete(id);
      arrival.forget();
      this.letGo();
    }
  }

  /** Somebody is about to fork: it does not end before `unreserve`. */
  reserve(): void {
    this.#reserved += 1;
  }

  unreserve(): void {
    this.#reserved -= 1;
    this.#endIfIdle();
  }

  /** No more is asked of it; it ends when its last sandbox has. */
  retire(): void {
    this.#retired = true;
    this.#endIfIdle();
  }

  /** Its sandboxes die with it. */
  kill(): void {
    this.#asked = true;
    this.#process.child.kill("SIGKILL");
  }

  /** Ends it and all of its sandboxes. */
  async close(): Promise<void> {
    this.#process.child.ref();
    this.kill();
    await this.ended;
  }

  /** Somebody waits for a word of it: until `letGo` it keeps this process running. */
  hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) this.#control.ref();
  }

  letGo(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#control.unref();
  }

  async #getReady(): Promise<void> {
    const { plan, door, idMap } = this.#options;
    this.#say({ plan, door: door.name, token: this.#token });
    if (idMap !== null) {
      await this.#next("unshared");
      for (const kind of ["uid", "gid"]) writeFileSync(`/proc/${this.#process.child.pid}/${kind}_map`, idMap);
      this.#say({ mapped: true });
    }
    await this.#next("ready");
  }

  async #next(wanted: "unshared" | "ready"): Promise<void> {
    const tooLate = `The launcher was not ready within ${READY_TIMEOUT_MS / 1000} s.`;
    const heard = new Promise<Message | null>((resolve) => {
      this.#heard = { next: resolve };
      void this.ended.then(() => resolve(null));
    });
    const message = await inTime(heard, READY_TIMEOUT_MS, () => new IsoError("sandbox_unavailable", tooLate));
    this.#heard = null;
    if (message !== null && wanted in message) return;
    if (message !== null && "refusedImport" in message) {
      throw new IsoError(
        "sandbox_unavailable",
        `The profile's \`preimports\` cannot be loaded ahead: ${message.refusedImport}.`,
        {
          hint: "Leave that module out of `preimports` and let the program import it, or load a part of it that starts no thread.",
        },
      );
    }
    const said = message !== null && "failed" in message ? message.failed : "it ended";
    throw new IsoError(
      "sandbox_unavailable",
      `The launcher did not start: ${[said, ...this.lines().slice(0, 20)].join("; ")}.`,
    );
  }

  #say(message: object): void {
    this.#control.write(`${JSON.stringify(message)}\n`);
  }

  #onText(text: string): void {
    this.#unread += text;
    const lines = this.#unread.split("\n");
    this.#unread = lines.pop() ?? "";
    if (this.#unread.length > MAX_LINE_BYTES) this.kill();
    for (const line of lines) this.#onMessage(Message.parse(JSON.parse(line)));
  }

  #onMessage(message: Message): void {
    if ("forked" in message) this.#begin(message.forked, message.pid);
    else if ("refused" in message) this.#forking.get(message.refused)?.reject(new Error(message.message));
    else if ("gone" in message) {
      this.#forking.get(message.gone)?.reject(new Error("the sandbox ended at once"));
      this.#end(message.gone);
    } else this.#heard?.next(message);
  }

  #begin(id: string, pid: number): void {
    const init = new InitProcess(pid);
    const gone = new Promise<void>((ended) => this.#living.set(id, { init, ended }));
    const waiting = this.#forking.get(id);
    if (waiting === undefined) init.kill();
    else waiting.resolve({ init, gone });
  }

  #end(id: string): void {
    const living = this.#living.get(id);
    this.#living.delete(id);
    living?.ended();
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (!this.#retired || this.#living.size > 0 || this.#reserved > 0) return;
    this.#asked = true;
    // It ends when it reads that nobody is there any more.
    this.#control.end();
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.#asked) {
      this.#lost = `the sandbox launcher ${signal === null ? `ended with ${code}` : `was killed by ${signal}`}`;
    }
    for (const { reject } of this.#forking.values()) reject(new Error(this.#lost ?? "the launcher was ended"));
    const orphans = [...this.#living.values()];
    this.#living.clear();
    // They die with their parent; one that was just being born may have missed it.
    for (const { init, ended } of orphans) {
      init.kill();
      ended();
    }
    this.#control.destroy();
    this.#process.stderr.destroy();
    void Promise.allSettled(orphans.map(({ init }) => init.gone())).then(() => this.#options.onEnd());
  }

  #unref(): void {
    const { child, stderr } = this.#process;
    child.unref();
    if (this.#holds === 0) this.#control.unref();
    if ("unref" in stderr && typeof stderr.unref === "function") stderr.unref();
  }
}
