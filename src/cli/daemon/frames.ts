// What goes over the engine's socket: JSON, one message a line, none longer than its reader allows.
import type { ErrorCode } from "../../model/errors.js";
import type { RunEvent } from "../../model/events.js";

/** A request has two texts of 4 MiB, and JSON writes a character in six bytes at worst; a result has 5 MB. */
const MAX_FRAME_BYTES = 96 * 1024 * 1024;

/** A fault as it crosses the socket. */
export interface Fault {
  code: ErrorCode;
  message: string;
  hint?: string;
  field?: string;
}

/** What an engine tells of itself. */
export interface EngineStatus {
  pid: number;
  /** Runs under way. */
  runs: number;
  /** Runs brought to their end. */
  served: number;
  upSeconds: number;
  idleSeconds: number;
}

export type FromClient =
  | { do: "run"; key: string; profile?: string; backend?: string; request: Record<string, unknown> }
  | { do: "cancel" }
  | { do: "status" }
  | { do: "stop" };

export type FromEngine =
  /** The first, unasked. */
  | { t: "ready"; protocol: number; name: string }
  /** Nothing ran, and the caller's own process is to run it. */
  | { t: "elsewhere" }
  | { t: "fault"; in: "request" | "settings"; fault: Fault }
  /** The run is the engine's; events follow, the last is run.finished. */
  | { t: "taken" }
  | { t: "event"; event: RunEvent }
  | { t: "status"; status: EngineStatus }
  | { t: "stopping" };

export function toFrame(message: FromClient | FromEngine): string {
  return `${JSON.stringify(message)}\n`;
}

/** Puts messages together from what a socket delivers. */
export class FrameReader<Message extends object> {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The messages that are whole by now. Throws for what is no message; the connection is of no use then. */
  read(chunk: Buffer): Message[] {
    const found: Message[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      found.push(this.#message(rest.subarray(0, end)));
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) this.#keep(rest);
    return found;
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) throw new Error(`a message has more than ${this.#maxBytes} bytes`);
    this.#parts.push(part);
  }

  #message(last: Buffer): Message {
    this.#keep(last);
    const text = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    const message: unknown = JSON.parse(text);
    if (typeof message !== "object" || message === null || Array.isArray(message))
      throw new Error("a message is no object");
    return message as Message;
  }
}
