// The client over the real routes, with whatever happens to requests and answers on their way.
import { createClient } from "../../src/client/index.js";
import { type bed, HOST, TOKEN } from "../http/bed.js";

export type Bed = ReturnType<typeof bed>;
/** What becomes of a request on its way: an answer of somebody's in between, or none; null lets it through. */
export type Meddle = (request: Request, count: number) => Response | Error | null;

interface Options {
  before?: Meddle;
  /** The request was done, and its answer was lost. */
  after?: Meddle;
  /** What comes of an answer. */
  through?: (answer: Response, count: number) => Response;
  retries?: number;
  token?: string;
  /** Null: a client that was told none. */
  user?: string | null;
}

export function client(it: Bed, options: Options = {}) {
  const sent: Request[] = [];
  const answered: number[] = [];
  const meddled = (meddle: Meddle | undefined, request: Request) => {
    const found = meddle?.(request, sent.length) ?? null;
    if (found instanceof Error) throw found;
    return found;
  };
  const made = createClient({
    ...{ url: `http://${HOST}`, token: options.token ?? TOKEN },
    ...(options.user !== null && { user: options.user ?? "alice" }),
    ...(options.retries !== undefined && { retries: options.retries }),
    fetch: async (input, init) => {
      const request = new Request(input instanceof URL ? input : String(input), init);
      sent.push(request);
      const headers = new Headers(request.headers);
      headers.set("Host", HOST);
      const met = meddled(options.before, request);
      if (met !== null) return met;
      const answering = it.app.fetch(new Request(request.clone(), { headers }));
      await new Promise(setImmediate);
      const lost = meddled(options.after, request);
      if (lost !== null) return lost;
      const answer = await answering;
      answered.push(answer.status);
      return options.through?.(answer, sent.length) ?? answer;
    },
  });
  return { ...made, sent, answered };
}

/** As many bytes, then an error as of a connection that was cut. */
export function cut(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let left = bytes;
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await reader.read();
        if (done) return controller.close();
        if (value.length <= left) {
          left -= value.length;
          return controller.enqueue(value);
        }
        if (left > 0) controller.enqueue(value.slice(0, left));
        left = 0;
        await reader.cancel();
        controller.error(new TypeError("terminated"));
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
