// The description of the API: of every route, and true of what the routes answer.
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { blankResult } from "../../src/harness/result.js";
import { describedPath } from "../../src/http/route.js";
import { ResultSchema } from "../../src/http/schemas/result.js";
import { type ShownResult, shownResult } from "../../src/model/result-text.js";
import { bed, jsonOf } from "./bed.js";

async function describedBy(it: ReturnType<typeof bed>) {
  return jsonOf(await it.ask("/openapi.json", { user: "" }));
}

describe("/openapi.json", () => {
  it("needs no token and describes every route that there is", async () => {
    const it = bed();
    const document = await jsonOf(await it.ask("/openapi.json", { user: "", headers: { Authorization: null } }));
    expect(document).toMatchObject({ openapi: "3.1.0", info: { version: "1.2.3" } });
    const served = it.app.routes
      .filter(({ method, path }) => method !== "ALL" && path.startsWith("/v1/"))
      .map(({ method, path }) => `${method} ${describedPath(path)}`);
    const described = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described).toEqual(expect.arrayContaining(served));
    expect(served.length).toBeGreaterThan(4);
    const ids = Object.values<Record<string, { operationId: string }>>(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("has the request and the result as they are checked", async () => {
    const { components, paths } = await describedBy(bed());
    const request = paths["/v1/runs"].post.requestBody.content["application/json"].schema;
    expect(request).toEqual({ $ref: "#/components/schemas/RunRequest" });
    const { RunRequest, RunResult, Problem } = components.schemas;
    expect(RunRequest).toMatchObject({
      additionalProperties: false,
      properties: {
        code: { type: "string" },
        contract: { type: "array" },
        sync: { enum: ["always", "on-success", "never"] },
      },
    });
    expect(RunRequest.properties).not.toHaveProperty("runId");
    expect(RunResult.required).toEqual(expect.arrayContaining(["schema", "ok", "status", "sandbox", "workspace"]));
    expect(RunResult.properties).not.toHaveProperty("paths");
    expect(Problem.properties.code.enum).toContain("not_found");
  });

  it("describes a result as the runtime makes it, key by key", () => {
    const result: ShownResult = shownResult(blankResult({ userId: "alice" }));
    // The compiler says it of every field that a result may have.
    const described: z.output<typeof ResultSchema> = result;
    expect(ResultSchema.strict().parse(described)).toEqual(result);
  });

  it("says which routes need the token", async () => {
    const { paths, components } = await describedBy(bed());
    expect(paths["/v1/runs"].get.security).toEqual([{ token: [] }]);
    expect(paths["/healthz"].get.security).toEqual([]);
    expect(components.securitySchemes.token).toMatchObject({ type: "http", scheme: "bearer" });
  });
});
