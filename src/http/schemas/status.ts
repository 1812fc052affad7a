// The state of the service and its host as it is answered. None of it names a user or a path.
import { z } from "zod";
import { STATUSES } from "../../model/ending.js";

const count = z.number();
const bytes = z.number();

export const Status = z
  .object({
    version: z.string(),
    node: z.string(),
    uptimeMs: z.number(),
    stopping: z.boolean(),
    runs: z.object({
      queued: count,
      running: count,
      waiting: count,
      ended: z.object(Object.fromEntries(STATUSES.map((status) => [status, count]))),
      warm: count.meta({ description: "Of those that ended: how many had a sandbox that was booted ahead." }),
      cold: count,
    }),
    places: z.object({ all: count, ofEachUser: count, taken: count, queued: count, refused: count }).meta({
      description: "Runs that may be at work at once, those that are, those that wait, those told to ask later.",
    }),
    readers: count.meta({ description: "Readers that follow events." }),
    backend: z.object({ name: z.string(), why: z.string() }).nullable().meta({ description: "What `auto` is here." }),
    pool: z.array(z.object({ backend: z.string(), profile: z.string(), ready: count, booting: count, users: count })),
    host: z.object({
      processors: count,
      load: z.array(z.number()).meta({ description: "Of the last 1, 5 and 15 minutes." }),
      memoryBytes: bytes,
      freeBytes: bytes,
      cpuMs: z.number().meta({ description: "Processor time of the service itself since its start." }),
      rssBytes: bytes,
      loopDelayMs: z.number().meta({ description: "How late the service's own loop came, 99 of 100 times." }),
    }),
  })
  .meta({ id: "Status" });
