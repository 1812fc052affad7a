// All tools of a runtime, loaded and checked once; a session of them for each run.
import type { ToolTable } from "../model/tools.js";
import { type LoadedSource, loadDescriptor, type ToolDescriptor } from "./descriptor.js";
import { type SessionContext, ToolSession } from "./session.js";

export type { ToolDescriptor } from "./descriptor.js";

export interface ToolInfo {
  toolId: string;
  description: string;
  params: string[];
  allowed: boolean;
}

export class ToolSubsystem {
  readonly #sources: ReadonlyMap<string, LoadedSource>;
  /** What the program sees: parameters in the order of the schema. */
  readonly table: ToolTable[];

  private constructor(sources: LoadedSource[]) {
    this.#sources = new Map(sources.map((source) => [source.alias, source]));
    this.table = sources.map(({ alias, tools }) => ({
      alias,
      tools: tools.map(({ name, params, description }) => ({
        name,
        params: Object.keys(params.shape),
        doc: description,
      })),
    }));
  }

  /** Loads a descriptor's file or object. Throws IsoError `tools_invalid` naming file and cause. */
  static async create(descriptor: string | URL | ToolDescriptor): Promise<ToolSubsystem> {
    return new ToolSubsystem(await loadDescriptor(descriptor));
  }

  describe(): ToolInfo[] {
    return [...this.#sources.values()].flatMap(({ alias, tools, allow }) =>
      tools.map(({ name, params, description }) => ({
        ...{ toolId: `${alias}.${name}`, description, params: Object.keys(params.shape) },
        allowed: allow?.has(name) ?? true,
      })),
    );
  }

  session(context: SessionContext): ToolSession {
    return new ToolSession(this.#sources, context);
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#sources.values()].map((source) => source.close?.()));
  }
}
