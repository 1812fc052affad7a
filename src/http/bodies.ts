// Bodies while they come: each is bounded, and so is how much of all of them this process holds, as many as there are connections would be
// more than it has.
import type { Readable } from "node:stream";
import { IsoError } from "../model/errors.js";
import { MiB } from "../model/limits.js";

const MAX_BYTES = 256 * MiB;
/** A caller that sends slowly keeps nobody else from sending. */
const MAX_BYTES_OF_CALLER = 64 * MiB;

const ofCallers = new Map<string, number>();
let all = 0;

/** What a body holds, until it is disposed of. */
export class HeldBody implements Disposable {
  readonly #caller: string;
  #bytes = 0;

  constructor(caller: string) {
    this.#caller = caller;
  }

  /** Throws `too_busy` where there is no room. */
  add(bytes: number): void {
    const own = ofCallers.get(this.#caller) ?? 0;
    if (all + bytes > MAX_BYTES || own + bytes > MAX_BYTES_OF_CALLER) {
      throw new IsoError("too_busy", "As much is being sent as can be taken at once.");
    }
    this.#count(bytes);
  }

  [Symbol.dispose](): void {
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    all += bytes;
    const own = (ofCallers.get(this.#caller) ?? 0) + bytes;
    if (own === 0) ofCallers.delete(this.#caller);
    else ofCallers.set(this.#caller, own);
  }
}

const tooLarge = (maxBytes: number): IsoError => new IsoError("too_large", `The body has more than ${maxBytes} bytes.`);

/** Its sender has left, or sends what is no body: no fault of ours. */
const brokeOff = (cause: unknown): IsoError => new IsoError("invalid_request", "The body broke off.", { cause });

/**
 * A whole body straight from its connection: a web stream in between costs more than all else of a small request. Throws as soon as it is
 * known to be too large; what would come then is not read.
 */
export async function readIncoming(
  incoming: Readable,
  { length, maxBytes }: { length: string | undefined; maxBytes: number },
  held: HeldBody,
): Promise<Buffer> {
  const announced = Number(length ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  if (incoming.destroyed) throw brokeOff(incoming.errored);
  const chunks: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    const settle = () => {
      incoming.off("data", take).off("end", end).off("error", fail).off("close", fail);
    };
    const end = () => {
      settle();
      resolve();
    };
    const fail = (error?: unknown) => {
      settle();
      incoming.pause();
      reject(error instanceof IsoError ? error : brokeOff(error));
    };
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        held.add(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        return fail(error);
      }
      // What is announced has come: its end needs no waiting for.
      if (bytes === announced) end();
    };
    incoming.on("data", take).on("end", end).on("error", fail).on("close", fail);
  });
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The body as it comes; throws `too_large` with the first chunk too many, at once where its length is told before. */
export async function* boundedBody(request: Request, maxBytes: number): AsyncGenerator<Uint8Array> {
  if (Number(request.headers.get("Content-Length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return;
  let bytes = 0;
  const chunks = request.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value: chunk, done } = await chunks.next().catch((error) => {
        throw brokeOff(error);
      });
      if (done) return;
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } finally {
    // What is left of it is let go of; where it broke off there is nothing.
    await chunks.return?.().catch(() => undefined);
  }
}

/** All of it, where there is no connection to read from. */
export async function readAll(body: AsyncIterable<Uint8Array>, held: HeldBody): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    held.add(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
