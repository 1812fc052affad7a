// The host's end of a conversation with one runner: order of frames, bounds of what is sent, one end. What frames mean is
// the caller's; every byte that arrives here is hostile.
import type { Duplex } from "node:stream";
import type { ToolErrorCode } from "../../model/errors.js";
import type { ToolAnswer } from "../../model/tools.js";
import { AnswerQueue, MAX_WAITING_BYTES } from "./answer-queue.js";
import {
  type Decoded,
  decodeHeader,
  decodeHello,
  decodeProblem,
  encodeFrame,
  FrameDecoder,
  ProtocolError,
} from "./codec.js";
import {
  type Exit,
  HEADER_BYTES,
  type Hello,
  type HostFrame,
  type Job,
  type Problem,
  type ProgramMessage,
  type Stop,
} from "./frames.js";

/** Above what may wait for the program: refusals, a job, a stop. Where even these do not go out the conversation ends. */
const MAX_UNSENT_BYTES = MAX_WAITING_BYTES + 16 * 1024 * 1024;
/** As large as a refusal can be. */
const SMALL_ANSWER_BYTES = 64 * 1024;
/** Messages of the program heard before everybody else of this process has a turn: 64 KiB hold thousands of them. */
const MESSAGES_A_TURN = 64;
const TOO_MUCH_WAITS: { code: ToolErrorCode; message: string } = {
  code: "too_many_calls",
  message: `more than ${MAX_WAITING_BYTES} bytes of results would wait for the program; await some calls first`,
};

/** All are called synchronously, in the order of the frames. */
export interface ChannelHandlers {
  /** Only where the channel is opened before the hello was read (see `readHello`): then it must come first. */
  hello?(hello: Hello): void;
  /** User code starts now; at most once. */
  begun(): void;
  output(stream: "stdout" | "stderr" | "log", bytes: Buffer): void;
  programMessage(message: ProgramMessage): void;
  /** The program said something that is no message; its fault, and the conversation goes on. */
  badProgramMessage(reason: string): void;
  trace(bytes: Buffer): void;
  problem(problem: Problem): void;
  /** Only after `sendWatch`: how long the program computed since the last time. */
  busy?(busyMs: number): void;
  /** At most once; nothing is listened to afterwards. */
  exit(exit: Exit): void;
  /** Exactly once, never before `openChannel` returned and never after `close`. Null: the stream ended between two frames. */
  closed(error: Error | null): void;
}

export interface RunnerChannel {
  sendJob(job: Job): void;
  /**
   * An answer that cannot be sent (too large, too deep, not JSON) becomes a `result_invalid` one. One that finds too much
   * waiting for the program becomes a `too_many_calls` one. Says why it did; else null.
   */
  sendAnswer(answer: ToolAnswer): string | null;
  sendStop(stop: Stop): void;
  /** Asks to be told from now on, a few times a second, how long the program computes. */
  sendWatch(): void;
  /** Lets go of the runner, which ends all processes when it notices. Idempotent. */
  close(): void;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Something came and was not heard yet. */
  readonly hasUnheard: boolean;
}

export function openChannel(duplex: Duplex, handlers: ChannelHandlers): RunnerChannel {
  const channel = new StreamChannel(duplex, handlers);
  channel.listen();
  return channel;
}

class StreamChannel implements RunnerChannel {
  readonly #duplex: Duplex;
  readonly #handlers: ChannelHandlers;
  readonly #decoder = new FrameDecoder();
  readonly #answers: AnswerQueue;
  #state: "hello" | "ready" | "begun" | "exited" | "closed";
  #released = false;
  #received = 0;
  #sent = 0;
  /** What came and waits for its turn; frames keep their order. */
  readonly #chunks: Buffer[] = [];
  #frames: Generator<Decoded, void, undefined> | null = null;
  /** How the stream ended while some of it was still to be heard. */
  #endOfStream: (() => Error | null) | null = null;

  constructor(duplex: Duplex, handlers: ChannelHandlers) {
    this.#duplex = duplex;
    this.#handlers = handlers;
    this.#answers = new AnswerQueue(duplex);
    this.#state = handlers.hello === undefined ? "ready" : "hello";
  }

  get bytesReceived(): number {
    return this.#received;
  }

  get bytesSent(): number {
    return this.#sent;
  }

  get hasUnheard(): boolean {
    return !this.#isOver() && (this.#frames !== null || this.#chunks.length > 0 || this.#duplex.readableLength > 0);
  }

  listen(): void {
    const duplex = this.#duplex;
    duplex.on("error", (error: Error) => this.#endAfterwards(() => error));
    duplex.once("end", () => this.#endAfterwards(() => this.#truncation()));
    duplex.once("close", () => this.#endAfterwards(() => this.#truncation()));
    duplex.on("data", (chunk: Buffer) => this.#onData(chunk));
    // A stream that was over before anybody listened emits nothing any more.
    if (duplex.readableEnded || duplex.destroyed) queueMicrotask(() => this.#end(duplex.errored ?? this.#truncation()));
    else duplex.resume();
  }

  sendJob(job: Job): void {
    this.#send({ kind: "J", body: job });
  }

  sendAnswer(answer: ToolAnswer): string | null {
    const put = (frame: Buffer) => this.#answers.put(frame);
    const encoded = tryToEncode(answer);
    if (Buffer.isBuffer(encoded) && this.#hasRoomFor(encoded)) {
      this.#write(encoded, put);
      return null;
    }
    const error = Buffer.isBuffer(encoded) ? TOO_MUCH_WAITS : encoded;
    this.#write(encodeFrame({ kind: "A", body: { id: answer.id, ok: false, error } }), put);
    return error.message;
  }

  #hasRoomFor(frame: Buffer): boolean {
    return frame.length <= SMALL_ANSWER_BYTES || this.#answers.bytes + frame.length <= MAX_WAITING_BYTES;
  }

  sendStop(stop: Stop): void {
    this.#send({ kind: "S", body: stop });
  }

  sendWatch(): void {
    this.#send({ kind: "W", body: {} });
  }

  close(): void {
    this.#released = true;
    this.#state = "closed";
    this.#duplex.destroy();
  }

  #send(frame: HostFrame): void {
    this.#write(encodeFrame(frame), (bytes) => this.#duplex.write(bytes));
  }

  #write(bytes: Buffer, write: (bytes: Buffer) => void): void {
    if (this.#isOver() || !this.#duplex.writable) return;
    const unsent = this.#duplex.writableLength + this.#answers.bytes;
    if (unsent + bytes.length > MAX_UNSENT_BYTES) {
      this.#end(new ProtocolError("overflow", `the runner does not read: ${unsent} bytes wait for it`));
      return;
    }
    this.#sent += bytes.length;
    write(bytes);
  }

  #onData(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#isOver()) return;
    this.#chunks.push(chunk);
    if (this.#frames === null) this.#hear();
  }

  #hear(): void {
    if (!this.#hearSome()) {
      this.#duplex.pause();
      setImmediate(() => this.#hear());
      return;
    }
    // What follows the exit is read as well, and thrown away: so the stream's own end is seen.
    if (this.#duplex.isPaused()) this.#duplex.resume();
    if (this.#endOfStream !== null) this.#end(this.#endOfStream());
  }

  /** False where there is more than one turn's worth. */
  #hearSome(): boolean {
    // A handler may have closed the channel, and nothing is listened to after the exit.
    for (let messages = 0; messages < MESSAGES_A_TURN && !this.#isOver(); ) {
      this.#frames ??= this.#nextChunk();
      if (this.#frames === null) return true;
      const frame = this.#nextFrame(this.#frames);
      if (frame === null) {
        this.#frames = null;
        continue;
      }
      if (frame.kind === "C" || frame.kind === "bad-program-message") messages += 1;
      try {
        this.#deliver(frame);
      } catch (thrown) {
        // A handler's fault ends this conversation, and nobody else's.
        this.#end(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    }
    return this.#isOver();
  }

  #nextChunk(): Generator<Decoded, void, undefined> | null {
    const chunk = this.#chunks.shift();
    return chunk === undefined ? null : this.#decoder.push(chunk);
  }

  #endAfterwards(why: () => Error | null): void {
    if (this.#isOver() || (this.#frames === null && this.#chunks.length === 0)) this.#end(why());
    else this.#endOfStream ??= why;
  }

  #isOver(): boolean {
    return this.#state === "closed" || this.#state === "exited";
  }

  /** Null where the chunk holds no further frame, or broke the rules, which ends the conversation. */
  #nextFrame(frames: Generator<Decoded, void, undefined>): Decoded | null {
    try {
      const next = frames.next();
      if (next.done === true) return null;
      checkOrder(this.#state, next.value.kind);
      return next.value;
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      this.#end(thrown);
      return null;
    }
  }

  #deliver(frame: Decoded): void {
    const handlers = this.#handlers;
    switch (frame.kind) {
      case "H":
        this.#state = "ready";
        handlers.hello?.(frame.body);
        break;
      case "B":
        this.#state = "begun";
        handlers.begun();
        break;
      case "O":
        handlers.output("stdout", frame.bytes);
        break;
      case "E":
        handlers.output("stderr", frame.bytes);
        break;
      case "L":
        handlers.output("log", frame.bytes);
        break;
      case "T":
        handlers.trace(frame.bytes);
        break;
      case "C":
        handlers.programMessage(frame.body);
        break;
      case "bad-program-message":
        handlers.badProgramMessage(frame.reason);
        break;
      case "P":
        handlers.problem(frame.body);
        break;
      case "U":
        handlers.busy?.(frame.body.busyMs);
        break;
      case "X":
        this.#state = "exited";
        handlers.exit(frame.body);
        break;
    }
  }

  #truncation(): ProtocolError | null {
    if (this.#decoder.inside === 0 || this.#state === "exited") return null;
    return new ProtocolError("truncated", `the channel ended inside a frame, ${this.#decoder.inside} bytes into it`);
  }

  #end(error: Error | null): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#duplex.destroy();
    // The handler may use what `openChannel` returns, also where a send finds the runner stalled.
    queueMicrotask(() => {
      if (!this.#released) this.#handlers.closed(error);
    });
  }
}

/** The frame, or why there can be none; throws only what is a fault of ours. */
function tryToEncode(answer: ToolAnswer): Buffer | { code: ToolErrorCode; message: string } {
  try {
    return encodeFrame({ kind: "A", body: answer });
  } catch (thrown) {
    if (!(thrown instanceof RangeError || thrown instanceof TypeError)) throw thrown;
    const message = `the result of the tool cannot be sent to the program: ${thrown.message}`.slice(0, 2000);
    return { code: "result_invalid", message };
  }
}

function checkOrder(state: "hello" | "ready" | "begun" | "exited" | "closed", kind: Decoded["kind"]): void {
  if (state === "hello" ? kind !== "H" && kind !== "P" : kind === "H") {
    throw new ProtocolError("bad_order", `a frame of kind ${kind} where the hello was due, or a second hello`);
  }
  if (kind === "B" && state === "begun") throw new ProtocolError("bad_order", "the program began twice");
  if ((kind === "C" || kind === "bad-program-message" || kind === "U") && state !== "begun") {
    throw new ProtocolError("bad_order", "a message of the program came before it began");
  }
}

/**
 * Reads exactly the hello and leaves all that follows unread in the stream. Throws ProtocolError: the runner said something
 * else, nothing in time, or ended; destroying the stream is the caller's.
 */
export async function readHello(duplex: Duplex, timeoutMs: number): Promise<Hello> {
  const cancel = new AbortController();
  const timer = setTimeout(() => cancel.abort(), timeoutMs);
  try {
    const { kind, payloadBytes } = decodeHeader(await readExactly(duplex, HEADER_BYTES, cancel.signal, timeoutMs));
    const payload = await readExactly(duplex, payloadBytes, cancel.signal, timeoutMs);
    if (kind === "P") {
      const { stage, message } = decodeProblem(payload);
      throw new ProtocolError("bad_order", `the runner could not start: ${stage}: ${message}`);
    }
    if (kind !== "H")
      throw new ProtocolError("bad_order", `the runner's first frame is of kind ${kind}, not its hello`);
    return decodeHello(payload);
  } finally {
    clearTimeout(timer);
  }
}

function readExactly(duplex: Duplex, bytes: number, signal: AbortSignal, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      duplex.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", onError);
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const onReadable = () => {
      // Null until that many are there; fewer only where the stream ended.
      const chunk: unknown = bytes === 0 ? Buffer.alloc(0) : duplex.read(bytes);
      if (!(chunk instanceof Buffer)) return;
      if (chunk.length === bytes) settle(() => resolve(chunk));
      else onEnd();
    };
    const onEnd = () => settle(() => reject(new ProtocolError("truncated", "the runner ended before its hello")));
    const onError = (error: Error) =>
      settle(() =>
        reject(new ProtocolError("truncated", `the runner's channel failed before its hello: ${error.message}`)),
      );
    const onAbort = () =>
      settle(() => reject(new ProtocolError("timeout", `the runner said no hello within ${timeoutMs / 1000} s`)));
    duplex.on("readable", onReadable).once("end", onEnd).once("close", onEnd).on("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (duplex.readableEnded || duplex.destroyed) onEnd();
    else onReadable();
  });
}
