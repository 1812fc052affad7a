// Where tools come from. A source lists its tools once and is called by name; whether the answer comes from a function of
// this process or later from somebody else is the source's own business.
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { type Tool, type ToolContext, ToolFailure } from "./define-tool.js";

export interface ToolSource {
  readonly alias: string;
  readonly tools: readonly Tool[];
  close?(): Promise<void>;
}

/** Tools that are functions of this process. */
export function moduleSource(alias: string, tools: readonly Tool[]): ToolSource {
  return { alias, tools };
}

/** A call that waits for its answer. */
export interface DeferredCall {
  readonly id: string;
  readonly toolId: string;
  readonly params: unknown;
  readonly context: ToolContext;
}

/**
 * Tools answered later, by a page, a remote caller or a person: each call waits in `pending` until `answer` or `fail` names its id.
 * The run is `waiting` meanwhile.
 */
export class DeferredSource implements ToolSource {
  readonly alias: string;
  readonly tools: readonly Tool[];
  readonly #waiting = new Map<string, DeferredCall & { settle(outcome: () => unknown): void }>();
  readonly #onCall: (call: DeferredCall) => void;
  #count = 0;

  constructor(alias: string, tools: readonly Omit<Tool, "handler">[], onCall: (call: DeferredCall) => void = () => {}) {
    this.alias = alias;
    this.#onCall = onCall;
    this.tools = tools.map((tool) => ({
      ...tool,
      handler: (params, context) => this.#wait(tool.name, params, context),
    }));
  }

  get pending(): DeferredCall[] {
    return [...this.#waiting.values()];
  }

  /** Throws IsoError `unknown_tool` where no call of this id waits. */
  answer(id: string, ret: unknown): void {
    this.#take(id).settle(() => ret);
  }

  fail(id: string, code: string, message: string): void {
    this.#take(id).settle(() => {
      throw new ToolFailure(code, message);
    });
  }

  #take(id: string) {
    const call = this.#waiting.get(id);
    if (!call) throw new IsoError("unknown_tool", `no call "${id}" waits for an answer`);
    this.#waiting.delete(id);
    return call;
  }

  #wait(name: string, params: unknown, context: ToolContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#count += 1;
      const id = `${context.runId}:${this.#count}`;
      const settle = (outcome: () => unknown) => {
        try {
          resolve(outcome());
        } catch (error) {
          reject(error);
        }
      };
      const call = { id, toolId: `${this.alias}.${name}`, params, context, settle };
      this.#waiting.set(id, call);
      context.signal.addEventListener("abort", () => this.#waiting.delete(id), { once: true });
      this.#onCall(call);
    });
  }
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** Names a global of the program must not take, and Python's own words. */
const RESERVED_ALIASES = new Set([
  "agent_io_tools",
  "ToolError",
  "OUTPUT_DIR",
  "WORKDIR",
  "RUN_ID",
  "TURN_ID",
  "USER_ID",
  "print",
  "open",
  "input",
]);
const PYTHON_KEYWORDS = new Set(
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(
    " ",
  ),
);

/** Throws IsoError `tools_invalid`: `where` names the file or place at fault. */
export function checkAlias(alias: unknown, where: string): asserts alias is string {
  if (typeof alias !== "string" || !IDENTIFIER.test(alias) || alias.startsWith("__") || PYTHON_KEYWORDS.has(alias)) {
    throw invalid(where, `the alias ${show(alias)} is no Python identifier`);
  }
  if (RESERVED_ALIASES.has(alias)) throw invalid(where, `the alias "${alias}" is reserved`);
}

/** What a tools module exports, checked. */
export function checkTools(found: readonly unknown[], where: string): Tool[] {
  const names = new Set<string>();
  return found.map((tool) => {
    if (!isTool(tool)) {
      throw invalid(
        where,
        `it exports something that is no tool: ${show(tool)}`,
        "Make each one by defineTool({ name, description, params: z.object(…), handler }).",
      );
    }
    if (!IDENTIFIER.test(tool.name) || tool.name.startsWith("__") || PYTHON_KEYWORDS.has(tool.name)) {
      throw invalid(where, `the tool name ${show(tool.name)} is no Python identifier`);
    }
    if (names.has(tool.name)) throw invalid(where, `two tools are called "${tool.name}"`);
    names.add(tool.name);
    return tool;
  });
}

function isTool(value: unknown): value is Tool {
  if (typeof value !== "object" || value === null) return false;
  const has = (key: string, type: string) => key in value && typeof Reflect.get(value, key) === type;
  return (
    has("name", "string") &&
    has("description", "string") &&
    has("handler", "function") &&
    isZodObject(Reflect.get(value, "params"))
  );
}

/** By shape too: a bundle may bring a zod of its own. */
function isZodObject(value: unknown): boolean {
  if (value instanceof z.ZodObject) return true;
  if (typeof value !== "object" || value === null) return false;
  return typeof Reflect.get(value, "safeParse") === "function" && typeof Reflect.get(value, "shape") === "object";
}

export function invalid(where: string, what: string, hint?: string, cause?: unknown): IsoError {
  return new IsoError("tools_invalid", `${where}: ${what}`, {
    ...(hint !== undefined && { hint }),
    cause,
    field: "tools",
  });
}

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? String(value);
