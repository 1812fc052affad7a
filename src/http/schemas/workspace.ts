// A workspace's files and versions as they are asked for and answered.
import { z } from "zod";
import { VERSION_KINDS } from "../../model/versions.js";
import { User } from "./common.js";

const Name = z
  .string()
  .regex(/^[a-z0-9_-]{1,32}$/, "must be 1–32 of a–z 0–9 _ -")
  .optional()
  .meta({ description: "Another workspace of the same user." });

export const OfWorkspace = z.strictObject({ user: User, workspace: Name });
export const ZipQuery = OfWorkspace.extend({
  path: z.string().min(1).max(4096).optional().meta({ description: "Only what is in this folder.", example: "a" }),
});
export const OfFile = z.object({
  path: z.string().min(1).meta({ description: "Relative, with its slashes.", example: "a/b.txt" }),
});

export const FilesQuery = OfWorkspace.extend({
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
  after: z
    .string()
    .optional()
    .meta({ description: "Files whose names come after this one; `next` of the page before." }),
});

const path = { path: z.string(), pathBase64: z.string().optional() };

export const FileList = z
  .object({
    files: z.array(
      z.object({ ...path, kind: z.enum(["file", "link", "fifo", "socket", "device"]), bytes: z.number() }),
    ),
    total: z.number().meta({ description: "Of all files, on this page or not; as `bytes`." }),
    bytes: z.number(),
    next: z.string().nullable(),
  })
  .meta({ id: "FileList" });

export const PutHeaders = z.object({
  "content-range": z
    .string()
    .refine(() => false, "must not be sent: a file is sent as a whole")
    .optional(),
});

const version = z.string().nullable().meta({ description: "The version that was made; null where versions are off." });
export const FilePut = z.object({ path: z.string(), bytes: z.number(), version }).meta({ id: "FilePut" });
export const FileRemoved = z.object({ path: z.string(), version }).meta({ id: "FileRemoved" });

const counts = z.object({ created: z.number(), modified: z.number(), deleted: z.number() });

export const VersionList = z
  .object({
    versions: z.array(
      z.object({
        id: z.string(),
        number: z.number(),
        kind: z.enum(VERSION_KINDS),
        runId: z.string().nullable(),
        at: z.string(),
        changes: counts,
        files: z.number(),
        restored: z.string().nullable(),
        current: z.boolean(),
        kept: z.boolean(),
      }),
    ),
    changedByHand: z.boolean(),
  })
  .meta({ id: "VersionList", description: "The newest first." });

export const UndoBody = z
  .strictObject({
    version: z
      .string()
      .max(128)
      .optional()
      .meta({ description: "Its id or number; without it the state before the last version." }),
    withEdits: z.boolean().optional(),
  })
  .meta({ id: "UndoRequest" });

export const Undone = z
  .object({ version: z.string(), restored: z.string().nullable(), changes: counts, edited: z.array(z.object(path)) })
  .meta({ id: "Undone" });
