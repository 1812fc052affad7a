// A file as an answer: the whole of it or a part, as a download. Closed when it was read, or its reader left.
import type { Context } from "hono";
import { z } from "zod";
import type { OpenedFile } from "../harness/workspaces.js";
import { IsoError } from "../model/errors.js";
import { problem } from "./problem.js";
import { type Part, partOf } from "./range.js";
import { type Answer, header } from "./schemas/common.js";

export const FileHeaders = z.object({ range: z.string().optional(), "if-range": z.string().optional() });
/** A body that is no JSON. */
export const Bytes = z.unknown().meta({ type: "string", format: "binary" });

const content = { "application/octet-stream": { schema: Bytes } };
const headers = { ETag: header("Another one where the file is another one."), "Accept-Ranges": header("bytes") };
export const FILE_ANSWERS: Record<200 | 206, Answer> = {
  200: { description: "The file.", headers, content },
  206: { description: "The part that Range asked for.", headers, content },
};

export function sendFile(
  context: Context,
  file: OpenedFile,
  path: string,
  { range, "if-range": unless }: z.output<typeof FileHeaders>,
): Response {
  const tag = `"${file.tag}"`;
  const part = partOf(unless === undefined || unless === tag ? range : undefined, file.bytes);
  if (part === "unsatisfiable") {
    file[Symbol.dispose]();
    const error = new IsoError("range_not_satisfiable", `The file has ${file.bytes} bytes.`, { field: "Range" });
    return problem(error, { headers: { "Content-Range": `bytes */${file.bytes}` } });
  }
  const { start, end } = part ?? { start: 0, end: file.bytes };
  const status = part === null ? 200 : 206;
  const head = {
    ...{ "Content-Type": "application/octet-stream", "Content-Length": String(end - start) },
    ...{ "Content-Disposition": `attachment; filename*=UTF-8''${fileName(path)}` },
    ...{ "Accept-Ranges": "bytes", ETag: tag },
    ...(part !== null && { "Content-Range": `bytes ${start}-${end - 1}/${file.bytes}` }),
  };
  if (context.req.method !== "HEAD") return context.body(streamOf(file, { start, end }), status, head);
  file[Symbol.dispose]();
  return context.body(null, status, head);
}

/** The last part of a path, as a header may have it. */
function fileName(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** At the pace of its reader. */
function streamOf(file: OpenedFile, { start, end }: Part): ReadableStream<Uint8Array> {
  const chunks = file.read(start, end)[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await chunks.next();
        if (!done) return controller.enqueue(value);
        file[Symbol.dispose]();
        controller.close();
      },
      cancel: () => file[Symbol.dispose](),
    },
    { highWaterMark: 0 },
  );
}
