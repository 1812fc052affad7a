// Where tools come from. A source lists its tools once and is called by name; whether the answer comes from a function of
// this process or later from somebody else is the source's own business.
import { inspect } from "node:util";
import { IsoError } from "../model/errors.js";
import { type Tool, type ToolContext, ToolFailure } from "./define-tool.js";
import { isPythonName, isTakenGlobal } from "./python-names.js";

/** A day; a timer of Node that is given more than 24 of them fires at once. */
const MAX_TIMEOUT_MS = 86_400_000;
const MAKE_A_TOOL = "Make each one by defineTool({ name, description, params: z.object({ … }), handler }).";

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
  readonly #waiting = new Map<string, { call: DeferredCall; settle(outcome: () => unknown): void }>();
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
    return [...this.#waiting.values()].map(({ call }) => call);
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
    const waiting = this.#waiting.get(id);
    if (!waiting) throw new IsoError("unknown_tool", `no call "${id.slice(0, 200)}" waits for an answer`);
    this.#waiting.delete(id);
    return waiting;
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
      const call = { id, toolId: `${this.alias}.${name}`, params, context };
      this.#waiting.set(id, { call, settle });
      context.signal.addEventListener("abort", () => this.#waiting.delete(id), { once: true });
      this.#onCall(call);
    });
  }
}

/** Throws IsoError `tools_invalid`: `where` names the file or place at fault. */
export function checkAlias(alias: unknown, where: string): asserts alias is string {
  if (typeof alias !== "string" || !isPythonName(alias)) {
    throw invalid(where, `the alias ${show(alias)} is no Python identifier`);
  }
  if (isTakenGlobal(alias)) {
    throw invalid(where, `the alias "${alias}" is reserved: the snippet's own global of this name would be hidden`);
  }
}

/** What a tools module exports, checked. */
export function checkTools(found: readonly unknown[], where: string): Tool[] {
  const names = new Set<string>();
  return found.map((tool) => {
    if (typeof tool !== "object" || tool === null || typeof Reflect.get(tool, "name") !== "string") {
      throw invalid(where, `it exports something that is no tool: ${show(tool)}`, MAKE_A_TOOL);
    }
    const name = String(Reflect.get(tool, "name"));
    // A leading underscore is the proxy's own inside the snippet.
    if (!isPythonName(name) || name.startsWith("_")) {
      throw invalid(where, `the tool name ${show(name)} is no public Python identifier`);
    }
    if (names.has(name)) throw invalid(where, `two tools are called "${name}"`);
    names.add(name);
    assertTool(tool, name, where);
    return tool;
  });
}

function assertTool(tool: object, name: string, where: string): asserts tool is Tool {
  const get = (key: string): unknown => Reflect.get(tool, key);
  const { returns, timeoutMs } = { returns: get("returns"), timeoutMs: get("timeoutMs") };
  const fault = (what: string) => invalid(where, `the tool "${name}": ${what}`, MAKE_A_TOOL);
  if (typeof get("description") !== "string") throw fault("description must be a text");
  if (typeof get("handler") !== "function") throw fault("handler must be a function");
  const params = get("params");
  if (!isZodType(params) || typeof Reflect.get(params, "shape") !== "object")
    throw fault("params must be z.object({ … })");
  if (returns !== undefined && !isZodType(returns)) throw fault("returns must be a zod type");
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw fault(`timeoutMs must be milliseconds up to ${MAX_TIMEOUT_MS}, a day`);
  }
}

/** By shape: a bundle may bring a zod of its own. */
function isZodType(value: unknown): value is object {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "safeParseAsync") === "function";
}

export function invalid(where: string, what: string, hint?: string, cause?: unknown): IsoError {
  return new IsoError("tools_invalid", `${where}: ${what}`, {
    ...(hint !== undefined && { hint }),
    cause,
    field: "tools",
  });
}

/** For a message: whatever a file exports, also what JSON cannot say. */
const show = (value: unknown): string =>
  inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY }).slice(0, 80);
