// Frames to bytes and bytes to frames. Everything decoded here is hostile: lengths are judged before anything is
// buffered, JSON by depth and schema; nothing but ProtocolError is ever thrown.
import type { z } from "zod";
import {
  Busy,
  Exit,
  HEADER_BYTES,
  Hello,
  type HostFrame,
  MAX_DEPTH,
  MAX_MEMBERS,
  MAX_OUTPUT_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_TRACE_BYTES,
  Problem,
  ProgramMessage,
  type RunnerFrame,
} from "./frames.js";

export type ProtocolFault =
  | "unknown_kind"
  | "oversize"
  | "bad_json"
  | "too_deep"
  | "too_many"
  | "bad_schema"
  | "bad_order"
  | "truncated"
  | "timeout"
  | "overflow";

/** The runner broke a rule of the protocol; nothing after it can be trusted to be a frame. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly reason: ProtocolFault;

  constructor(reason: ProtocolFault, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A frame, or a message of the program that is none: its own fault, so the conversation goes on. */
export type Decoded = RunnerFrame | { kind: "bad-program-message"; reason: string };

/** Every kind a runner may send, with the longest payload it may have. */
const MAX_BYTES_BY_KIND: ReadonlyMap<string, number> = new Map([
  ["H", 64 * 1024],
  ["B", 1024],
  ["O", MAX_OUTPUT_BYTES],
  ["E", MAX_OUTPUT_BYTES],
  ["L", MAX_OUTPUT_BYTES],
  ["T", MAX_TRACE_BYTES],
  ["C", MAX_PAYLOAD_BYTES],
  ["P", 64 * 1024],
  ["U", 1024],
  ["X", 64 * 1024],
]);

/** Throws RangeError where the body is longer or deeper than a frame may be, and TypeError where it is not JSON. */
export function encodeFrame(frame: HostFrame): Buffer {
  const text = JSON.stringify(frame.body);
  const payloadBytes = Buffer.byteLength(text);
  if (payloadBytes > MAX_PAYLOAD_BYTES) {
    throw new RangeError(`a ${frame.kind} frame of ${payloadBytes} bytes is over the ${MAX_PAYLOAD_BYTES} allowed`);
  }
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payloadBytes);
  bytes.writeUInt32BE(payloadBytes, 0);
  bytes.write(frame.kind, 4, "latin1");
  bytes.write(text, HEADER_BYTES, "utf8");
  if (measure(bytes.subarray(HEADER_BYTES)).depth > MAX_DEPTH) {
    throw new RangeError(`a ${frame.kind} frame is nested more than ${MAX_DEPTH} levels deep`);
  }
  return bytes;
}

const FIRST_BUFFER_BYTES = 64 * 1024;

/** Raw bytes, of which a part is as good as the whole: they are passed on as they come, in as many pieces, and never held. */
const PASSED_ON = new Set(["O", "E", "L"]);

/** Incremental and linear: what is held is at most one frame, in one buffer that doubles as bytes really arrive. */
export class FrameDecoder {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #kind = "";
  #payloadBytes = 0;
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  /** Of the frame under way. */
  #passedOn = 0;
  #broken: ProtocolError | null = null;

  /** Bytes held until their frame is whole; never more than a header and one payload. */
  get buffered(): number {
    return this.#headerBytes + this.#heldBytes;
  }

  /** How far into a frame the stream is; 0 between two. */
  get inside(): number {
    return this.buffered + this.#passedOn;
  }

  /** The frames that `chunk` completes, and what it has of an output frame that goes on, one at a time: what stands before a violation is yielded before it throws. */
  *push(chunk: Buffer): Generator<Decoded, void, undefined> {
    if (this.#broken !== null) throw this.#broken;
    try {
      let rest = chunk;
      while (rest.length > 0) {
        if (this.#headerBytes < HEADER_BYTES) {
          rest = this.#takeHeader(rest);
          if (this.#headerBytes < HEADER_BYTES) return;
        }
        const missing = this.#payloadBytes - this.#heldBytes - this.#passedOn;
        if (rest.length < missing) {
          if (!PASSED_ON.has(this.#kind)) this.#hold(rest);
          else if (rest.length > 0) {
            this.#passedOn += rest.length;
            yield decodePayload(this.#kind, rest);
          }
          return;
        }
        const payload = this.#finish(rest.subarray(0, missing));
        rest = rest.subarray(missing);
        yield decodePayload(this.#kind, payload);
      }
    } catch (thrown) {
      if (thrown instanceof ProtocolError) {
        this.#broken = thrown;
        this.#held = Buffer.alloc(0);
        this.#heldBytes = 0;
        this.#headerBytes = 0;
        this.#passedOn = 0;
      }
      throw thrown;
    }
  }

  #takeHeader(chunk: Buffer): Buffer {
    const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length);
    chunk.copy(this.#header, this.#headerBytes, 0, taken);
    this.#headerBytes += taken;
    if (this.#headerBytes === HEADER_BYTES) {
      const { kind, payloadBytes } = decodeHeader(this.#header);
      this.#kind = kind;
      this.#payloadBytes = payloadBytes;
    }
    return chunk.subarray(taken);
  }

  #hold(part: Buffer): void {
    const needed = this.#heldBytes + part.length;
    if (needed > this.#held.length) {
      const size = Math.max(needed, Math.min(this.#payloadBytes, Math.max(FIRST_BUFFER_BYTES, this.#held.length * 2)));
      const larger = Buffer.allocUnsafeSlow(size);
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    part.copy(this.#held, this.#heldBytes);
    this.#heldBytes = needed;
  }

  /** The whole payload, whose last part is `part`; the decoder is at the next header afterwards. */
  #finish(part: Buffer): Buffer {
    this.#headerBytes = 0;
    this.#passedOn = 0;
    if (this.#heldBytes === 0) return part;
    this.#hold(part);
    const payload = this.#held.subarray(0, this.#heldBytes);
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    return payload;
  }
}

function checkHeader(kind: string, length: number): void {
  const max = MAX_BYTES_BY_KIND.get(kind);
  if (max === undefined) {
    throw new ProtocolError("unknown_kind", `a frame of unknown kind 0x${Buffer.from(kind, "latin1").toString("hex")}`);
  }
  if (length > max) {
    throw new ProtocolError("oversize", `a frame of kind ${kind} announces ${length} bytes, ${max} are allowed`);
  }
}

function decodePayload(kind: string, payload: Buffer): Decoded {
  switch (kind) {
    case "O":
    case "E":
    case "L":
    case "T":
      return { kind, bytes: payload };
    case "B":
      return { kind };
    case "C":
      return decodeProgramMessage(payload);
    case "H":
      return { kind, body: parse(Hello, kind, payload) };
    case "P":
      return { kind, body: parse(Problem, kind, payload) };
    case "U":
      return { kind, body: parse(Busy, kind, payload) };
    case "X":
      return { kind, body: parse(Exit, kind, payload) };
    default:
      throw new ProtocolError("unknown_kind", `a frame of unknown kind ${JSON.stringify(kind)}`);
  }
}

function decodeProgramMessage(payload: Buffer): Decoded {
  try {
    return { kind: "C", body: parse(ProgramMessage, "C", payload) };
  } catch (thrown) {
    if (!(thrown instanceof ProtocolError)) throw thrown;
    return { kind: "bad-program-message", reason: thrown.message };
  }
}

function parse<T>(schema: z.ZodType<T>, kind: string, payload: Buffer): T {
  const result = schema.safeParse(parseJson(kind, payload));
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".").slice(0, 200)}`;
    const what = (issue?.message ?? "it does not match its schema").slice(0, 500);
    throw new ProtocolError("bad_schema", `the payload of a ${kind} frame is wrong${where}: ${what}`);
  }
  return result.data;
}

/** A whole payload that must be a hello; for the one frame that is read before a channel is opened. */
export function decodeHello(payload: Buffer): Hello {
  return parse(Hello, "H", payload);
}

export function decodeProblem(payload: Buffer): Problem {
  return parse(Problem, "P", payload);
}

export function decodeHeader(header: Buffer): { kind: string; payloadBytes: number } {
  const kind = header.toString("latin1", 4, HEADER_BYTES);
  const payloadBytes = header.readUInt32BE(0);
  checkHeader(kind, payloadBytes);
  return { kind, payloadBytes };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parseJson(kind: string, payload: Buffer): unknown {
  const { depth, members } = measure(payload);
  if (depth > MAX_DEPTH) {
    throw new ProtocolError("too_deep", `the payload of a ${kind} frame is nested more than ${MAX_DEPTH} levels deep`);
  }
  if (members > MAX_MEMBERS) {
    throw new ProtocolError("too_many", `the payload of a ${kind} frame has more than ${MAX_MEMBERS} named values`);
  }
  try {
    return JSON.parse(utf8.decode(payload));
  } catch {
    throw new ProtocolError("bad_json", `the payload of a ${kind} frame is not JSON in UTF-8`);
  }
}

/** Counts brackets and colons outside of strings, so that a payload made to exhaust the parser never reaches it. */
function measure(json: Buffer): { depth: number; members: number } {
  let [depth, open, members] = [0, 0, 0];
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index];
    if (inString) {
      if (byte === 0x5c) index += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) {
      inString = true;
    } else if (byte === 0x3a) {
      members += 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      open += 1;
      if (open > depth) depth = open;
    } else if (byte === 0x7d || byte === 0x5d) {
      open -= 1;
    }
  }
  return { depth, members };
}
