// Routes of a user's files and versions. Files are a program's: they go out as downloads that no browser runs, and come in as a whole or not.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { KiB, LIMITS } from "../model/limits.js";
import { boundedBody } from "./bodies.js";
import { Counts } from "./counts.js";
import { addRoute } from "./route.js";
import { json, problems } from "./schemas/common.js";
import {
  FileList,
  FilePut,
  FileRemoved,
  FilesQuery,
  OfFile,
  OfWorkspace,
  PutHeaders,
  UndoBody,
  Undone,
  VersionList,
} from "./schemas/workspace.js";
import { Bytes, FILE_ANSWERS, FileHeaders, sendFile } from "./send-file.js";
import type { Service } from "./service.js";

const MAX_UPLOAD_BYTES = LIMITS.fileSize.default;
/** At once: each may fill that much of the disk before it has its place. */
const MAX_UPLOADS = 16;
/** A user that sends slowly keeps nobody else from sending. */
const MAX_UPLOADS_OF_USER = 4;
const TAG = "workspace";
const FILES = "/v1/workspace/files";
const FILE = `${FILES}/{path}{.+}`;

export function addWorkspaceRoutes(app: OpenAPIHono, service: Service): void {
  addList(app, service);
  addGet(app, service);
  addPut(app, service);
  addDelete(app, service);
  addVersions(app, service);
}

function addList(app: OpenAPIHono, { runtime }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: FILES, tag: TAG, takes: { query: FilesQuery } },
      summary: "The files of a workspace, by name",
      answers: { 200: json("A page of them.", FileList), ...problems(404) },
    },
    async (context, { query: { user, workspace, limit, after } }) => {
      const all = await runtime.workspaces.files({ userId: user, workspace });
      const named = all.map((file) => ({ file, name: Buffer.from(file.path) }));
      named.sort((a, b) => Buffer.compare(a.name, b.name));
      const from = after === undefined ? null : Buffer.from(after);
      const rest = from === null ? named : named.filter(({ name }) => Buffer.compare(name, from) > 0);
      const files = rest.slice(0, limit).map(({ file }) => file);
      const bytes = all.reduce((sum, file) => sum + file.bytes, 0);
      const next = rest.length > limit ? (files.at(-1)?.path ?? null) : null;
      return context.json({ files, total: all.length, bytes, next });
    },
  );
}

function addGet(app: OpenAPIHono, { runtime }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: FILE, tag: TAG, takes: { params: OfFile, query: OfWorkspace, headers: FileHeaders } },
      summary: "A file's bytes, or a part of them",
      answers: { ...FILE_ANSWERS, ...problems(404, 416) },
    },
    async (context, { params: { path }, query: { user, workspace }, headers }) => {
      return sendFile(context, await runtime.workspaces.openFile({ userId: user, workspace }, path), path, headers);
    },
  );
}

function addPut(app: OpenAPIHono, { runtime, storage }: Service): void {
  const uploads = new Counts({ all: MAX_UPLOADS, each: MAX_UPLOADS_OF_USER });
  addRoute(
    app,
    {
      ...{ method: "put", path: FILE, tag: TAG, takes: { params: OfFile, query: OfWorkspace, headers: PutHeaders } },
      summary: "Send a file, in the place of one that is there; makes a version",
      rawBody: { "application/octet-stream": { schema: Bytes } },
      answers: { 200: json("It has its place.", FilePut), ...problems(409, 413, 429) },
    },
    async (context, { params: { path }, query: { user, workspace } }) => {
      const name = { userId: user, workspace };
      using _ = uploads.take(user, "As many files are being sent as there may be.");
      const body = boundedBody(context.req.raw, MAX_UPLOAD_BYTES);
      const put = (counted: AsyncIterable<Uint8Array>) => runtime.workspaces.put(name, path, counted);
      return context.json({ path, ...(await storage.receive(name, body, put)) });
    },
  );
}

function addDelete(app: OpenAPIHono, { runtime, storage }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "delete", path: FILE, tag: TAG, takes: { params: OfFile, query: OfWorkspace } },
      summary: "Remove a file or a folder; makes a version",
      answers: { 200: json("It is gone.", FileRemoved), ...problems(404, 409) },
    },
    async (context, { params: { path }, query: { user, workspace } }) => {
      const name = { userId: user, workspace };
      try {
        return context.json({ path, version: await runtime.workspaces.remove(name, path) });
      } finally {
        storage.changed(name);
      }
    },
  );
}

function addVersions(app: OpenAPIHono, { runtime, storage }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/workspace/versions", tag: TAG, takes: { query: OfWorkspace } },
      summary: "The versions of a workspace",
      answers: { 200: json("Those that are known.", VersionList), ...problems(404) },
    },
    async (context, { query: { user, workspace } }) => {
      return context.json(await runtime.workspaces.history({ userId: user, workspace }));
    },
  );
  addRoute(
    app,
    {
      ...{ method: "post", path: "/v1/workspace/undo", tag: TAG, takes: { query: OfWorkspace, body: UndoBody } },
      summary: "Make an earlier state the live one again, as a new version",
      maxBytes: 4 * KiB,
      answers: { 200: json("It is.", Undone), ...problems(404, 409, 413, 415) },
    },
    async (context, { query: { user, workspace }, body: { version, withEdits } }) => {
      const name = { userId: user, workspace };
      try {
        return context.json(await runtime.workspaces.undo(name, { version, withEdits }));
      } finally {
        storage.changed(name);
      }
    },
  );
}
