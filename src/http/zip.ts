// The route of a workspace's files as one zip, made while it is sent: at the pace of its reader, one file open at a time.
import { Readable } from "node:stream";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { ZipFile } from "yazl";
import type { Archive } from "../harness/workspace-archive.js";
import { toIsoError } from "../model/errors.js";
import { Counts } from "./counts.js";
import { addRoute } from "./route.js";
import { header, problems } from "./schemas/common.js";
import { ZipQuery } from "./schemas/workspace.js";
import { Bytes } from "./send-file.js";
import type { Service } from "./service.js";

/** At once: each keeps a thread busy with packing. */
const MAX_ZIPS = 4;
/** One who reads slowly keeps nobody else from theirs. */
const MAX_ZIPS_OF_USER = 2;
/** Fast: most of what programs write is text, or packed already. */
const LEVEL = 1;
const TYPE = "application/zip";

export function addZip(app: OpenAPIHono, { runtime, log }: Service): void {
  const zips = new Counts<string>({ all: MAX_ZIPS, each: MAX_ZIPS_OF_USER });
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/workspace/zip", tag: "workspace", takes: { query: ZipQuery } },
      summary: "The files of a workspace, or of a folder of it, as a zip",
      answers: {
        200: {
          description: "The zip. One that breaks off has no end, and unpacks to nothing: a file was changed meanwhile.",
          headers: { "Content-Disposition": header("Its name.") },
          content: { [TYPE]: { schema: Bytes } },
        },
        ...problems(404, 413, 429),
      },
    },
    async (context, { query: { user, workspace, path } }) => {
      const place = zips.take(user, "As many zips are being made as there may be.");
      const leave = () => place[Symbol.dispose]();
      try {
        const archive = await runtime.workspaces.archive({ userId: user, workspace }, path);
        const head = {
          "Content-Type": TYPE,
          "Content-Disposition": `attachment; filename="${workspace ?? "workspace"}.zip"`,
        };
        if (context.req.method === "HEAD") {
          archive[Symbol.dispose]();
          leave();
          return context.body(null, 200, head);
        }
        return context.body(zipOf(archive, leave, log), 200, head);
      } catch (error) {
        leave();
        throw error;
      }
    },
  );
}

function zipOf(archive: Archive, leave: () => void, log: (line: string) => void): ReadableStream<Uint8Array> {
  const zip = new ZipFile();
  const out = zip.outputStream as Readable;
  let reading: Readable | null = null;
  let isOver = false;
  // Once: by a second time the number of what it closes may be another file's.
  const end = () => {
    if (isOver) return;
    isOver = true;
    reading?.destroy();
    archive[Symbol.dispose]();
    leave();
  };
  const fail = (error: unknown) => void out.destroy(toIsoError(error));
  zip.on("error", fail);
  const files = archive.files[Symbol.iterator]();
  // One after another: a list of all that waits is searched through for each.
  const next = () => {
    const { value: file, done } = files.next();
    if (done) {
      const { leftOut } = archive;
      const comment = leftOut === 0 ? "" : `${leftOut} links and other entries that are no files are left out.`;
      zip.end({ forceZip64Format: false, comment });
      return;
    }
    const { name, bytes, mtime, isExecutable } = file;
    const options = {
      mtime,
      mode: isExecutable ? 0o100755 : 0o100644,
      compressionLevel: LEVEL,
      compress: true,
      size: bytes,
    };
    zip.addReadStreamLazy(name, options, (give) => {
      if (out.destroyed) return;
      reading = Readable.from(file.read(), { objectMode: false });
      reading.on("error", fail);
      reading.on("end", next);
      give(null, reading);
    });
  };
  try {
    next();
  } catch (error) {
    fail(error);
  }
  const chunks = out[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { value, done } = await chunks.next();
          if (isOver) return;
          if (!done) return controller.enqueue(value);
          end();
          controller.close();
        } catch (error) {
          // Its reader has left.
          if (isOver) return;
          log(`a zip broke off: ${toIsoError(error).message}`);
          end();
          controller.error(error);
        }
      },
      cancel: () => {
        end();
        out.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
