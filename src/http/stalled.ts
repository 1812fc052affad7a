// Readers of long answers that take nothing any more.
import type { Socket } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

/** Nothing is written to a reader that has no room, so that its socket is idle then, and is closed when it was for so long. */
export function cutOffStalled(context: Context, afterMs: number): void {
  socketOf(context)?.setTimeout(afterMs);
}

/** Null where there is none, as for a request that no network brought. */
function socketOf({ env }: Context<{ Bindings: Partial<HttpBindings> }>): Socket | null {
  return env?.incoming?.socket ?? null;
}
