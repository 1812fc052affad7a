// The vocabulary of the runner protocol (docs/runner-protocol.md): kinds and schemas by direction. The codec is next door.
import { z } from "zod";
import type { ToolAnswer, ToolTable } from "../../model/tools.js";

const PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 5;
export const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
export const MAX_OUTPUT_BYTES = 1024 * 1024;
export const MAX_TRACE_BYTES = 64 * 1024;
export const MAX_DEPTH = 64;
/** Named values of one message: objects with many more take the host a second each. */
export const MAX_MEMBERS = 100_000;

/** Host to runner. */
export interface Job {
  code: string;
  runId: string;
  turnId: string;
  userId: string;
  args: string[];
  env: Record<string, string>;
  stdin: string | null;
  work: string;
  out: string;
  cwd: string;
  limits: { openFiles: number; fileSize: number; processes: number | null; addressSpace: number | null };
  tools: ToolTable[];
}
export interface Stop {
  reason: string;
  trace: boolean;
  graceMs: number;
}

export type HostFrame =
  | { kind: "J"; body: Job }
  | { kind: "A"; body: ToolAnswer }
  | { kind: "S"; body: Stop }
  | { kind: "W"; body: Record<string, never> };

/** Runner to host. */
const count = z.number().int().nonnegative().nullable();
export const Hello = z.object({
  protocol: z.literal(PROTOCOL_VERSION),
  python: z.object({ path: z.string().max(4096), version: z.string().max(64) }),
  pid: z.number().int(),
  cgroup: z.string().max(4096).nullable(),
});
export type Hello = z.infer<typeof Hello>;

export const Problem = z.object({ stage: z.string().max(64), message: z.string().max(4096) });
export type Problem = z.infer<typeof Problem>;

export const Exit = z.object({
  exitCode: z.number().int().min(0).max(255).nullable(),
  signal: z.string().max(16).nullable(),
  /** False where the program had ended before anything was done to stop it. */
  stopped: z.boolean(),
  usage: z.object({ cpuMs: z.number().nonnegative().nullable(), maxRssBytes: count, processes: count }),
  kernel: z.object({ oomKills: count, processHits: count }),
});
export type Exit = z.infer<typeof Exit>;

/** How long the program computed since the frame before, or since the host asked to be told. */
export const Busy = z.object({ busyMs: z.number().nonnegative() });
export type Busy = z.infer<typeof Busy>;

export const ProgramMessage = z.discriminatedUnion("t", [
  z.object({
    t: z.literal("call"),
    id: z.string().min(1).max(128),
    tool_id: z.string().max(256),
    params: z.custom<Record<string, unknown>>(isObject).transform(withoutPrototype),
    reason: z.string().max(4096).nullable(),
  }),
  z.object({
    t: z.literal("exception"),
    type: z.string().max(512),
    message: z.string().max(65_536),
    traceback: z.string().max(262_144),
    errno: z.string().max(32).nullable(),
  }),
  z.object({ t: z.literal("cancel"), id: z.string().min(1).max(128) }),
  z.object({ t: z.literal("warning"), message: z.string().max(4096), line: z.number().int().nullable() }),
]);
export type ProgramMessage = z.infer<typeof ProgramMessage>;

export type RunnerFrame =
  | { kind: "H"; body: Hello }
  | { kind: "B" }
  | { kind: "O" | "E" | "L" | "T"; bytes: Buffer }
  | { kind: "C"; body: ProgramMessage }
  | { kind: "P"; body: Problem }
  | { kind: "U"; body: Busy }
  | { kind: "X"; body: Exit };

/** Member by member nothing is to be judged of parameters here, and there may be many. */
function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON makes a member of it; whoever copies that object sets a prototype. */
function withoutPrototype(params: Record<string, unknown>): Record<string, unknown> {
  Reflect.deleteProperty(params, "__proto__");
  return params;
}
