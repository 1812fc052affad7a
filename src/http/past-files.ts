// The route of a file as an earlier version had it: what a diff is made of.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "zod";
import { addRoute } from "./route.js";
import { problems } from "./schemas/common.js";
import { OfFile, OfWorkspace } from "./schemas/workspace.js";
import { FILE_ANSWERS, FileHeaders, sendFile } from "./send-file.js";
import type { Service } from "./service.js";

const OfVersion = z.object({
  version: z.string().min(1).max(128).meta({ description: "Its id or number.", example: "4" }),
});

export function addPastFiles(app: OpenAPIHono, { runtime }: Service): void {
  const takes = { params: OfVersion.extend(OfFile.shape), query: OfWorkspace, headers: FileHeaders };
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/workspace/versions/{version}/files/{path}{.+}", tag: "workspace", takes },
      summary: "A file as a version had it, for as long as the version is kept",
      answers: { ...FILE_ANSWERS, ...problems(404, 416) },
    },
    async (context, { params: { version, path }, query: { user, workspace }, headers }) => {
      const file = await runtime.workspaces.openFileOf({ userId: user, workspace }, version, path);
      return sendFile(context, file, path, headers);
    },
  );
}
