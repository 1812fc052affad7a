// Readers of answers that take nothing any more.
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";

/**
 * Nothing is written to a reader that has no room, so that its socket is idle then, and is closed when it was for so long. Counts from where
 * the answer begins, and not before: a run is waited for however long it takes.
 */
export function cutOffStalled(afterMs: number): MiddlewareHandler {
  return async (context: Context<{ Bindings: Partial<HttpBindings> }>, next) => {
    await next();
    // There is none for a request that no network brought.
    context.env?.incoming?.socket.setTimeout(afterMs);
  };
}
