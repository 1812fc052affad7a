// The route of a run's receipt: what the journal has of it, for the user whose run it is.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { IsoError } from "../model/errors.js";
import { addRoute } from "./route.js";
import { json, OfRun, OfUser, problems } from "./schemas/common.js";
import { Receipt } from "./schemas/receipt.js";
import type { Service } from "./service.js";

/** Each reads some of a file: more at once gain nothing. */
const MOST_AT_ONCE = 4;

export function addReceipt(app: OpenAPIHono, { runtime }: Service): void {
  let underWay = 0;
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs/{runId}/receipt", tag: "runs", takes: { params: OfRun, query: OfUser } },
      summary: "A run's receipt, as long as it is among the newest of the journal",
      answers: { 200: json("Its lines.", Receipt), ...problems(404, 429) },
    },
    async (context, { params: { runId }, query: { user } }) => {
      if (underWay >= MOST_AT_ONCE) throw new IsoError("too_busy", "As many receipts are looked for as there may be.");
      underWay += 1;
      try {
        const found = await runtime.receiptOf(user, runId);
        if (found !== null) return context.json(found);
      } finally {
        underWay -= 1;
      }
      throw new IsoError("not_found", "There is no such receipt of this user among the newest.", {
        field: "runId",
        hint: "A run that was rejected has none. `iso-runtime receipts show` looks through the whole journal.",
      });
    },
  );
}
