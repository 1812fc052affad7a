// Loads a tools descriptor and the modules it names, once, with one clear error for whatever is wrong in them.
import { existsSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { sayIssue } from "../model/say-issue.js";
import { defineTool, type Tool, ToolFailure } from "./define-tool.js";
import { checkAlias, checkTools, invalid, moduleSource, type ToolSource } from "./source.js";

export interface ModuleEntry {
  alias: string;
  /** A file, relative to the descriptor; or the tools themselves. */
  module: string | readonly Tool[];
  /** Names the program may call; all where it is left out. */
  allow?: readonly string[];
}
export interface McpEntry {
  alias: string;
  mcp: unknown;
  allow: readonly string[];
}
export interface ToolDescriptor {
  tools: readonly (ModuleEntry | McpEntry | ToolSource)[];
}

export interface LoadedSource extends ToolSource {
  /** Null: every tool may be called. */
  readonly allow: ReadonlySet<string> | null;
}

const MODULE_NAME = /\.[cm]?[jt]s$/;
const TYPESCRIPT_NAME = /\.[cm]?ts$/;

const Entry = z.strictObject({
  alias: z.unknown(),
  module: z.unknown().optional(),
  mcp: z.unknown().optional(),
  allow: z.array(z.string()).optional(),
});

/** A descriptor file, or a descriptor as an object whose relative modules are found from the current folder. */
export async function loadDescriptor(from: string | URL | ToolDescriptor): Promise<LoadedSource[]> {
  const file = from instanceof URL ? fileURLToPath(from) : typeof from === "string" ? resolve(from) : null;
  const descriptor: unknown = file === null ? from : defaultExport(await loadModule(file, "the tools descriptor"));
  const where = file ?? "the tools descriptor";
  const entries = typeof descriptor === "object" && descriptor !== null ? Reflect.get(descriptor, "tools") : undefined;
  if (!Array.isArray(entries)) {
    throw invalid(where, "it has no list of tools", "Write: export default { tools: [{ alias, module }] }");
  }
  const base = file === null ? process.cwd() : dirname(file);
  const sources: LoadedSource[] = [];
  for (const [index, entry] of entries.entries()) {
    const source = await loadEntry(entry, `${where}: tools[${index}]`, base);
    if (sources.some((other) => other.alias === source.alias))
      throw invalid(where, `two sources have the alias "${source.alias}"`);
    sources.push(source);
  }
  return sources;
}

async function loadEntry(entry: unknown, where: string, base: string): Promise<LoadedSource> {
  if (isSource(entry)) {
    checkAlias(entry.alias, where);
    return {
      alias: entry.alias,
      tools: checkTools(entry.tools, where),
      allow: null,
      ...(entry.close && { close: () => entry.close?.() ?? Promise.resolve() }),
    };
  }
  const parsed = Entry.safeParse(entry, { error: sayIssue });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const key = issue?.path.map(String).join(".") ?? "";
    throw invalid(where, `${key} ${issue?.message ?? "is not valid"}`.trim(), "An entry has: alias, module, allow.");
  }
  const { alias, module, mcp, allow } = parsed.data;
  checkAlias(alias, where);
  if (mcp !== undefined) {
    throw invalid(
      where,
      `"${alias}" names an MCP server, and this version takes tools from modules only`,
      "Wrap it in a tools module, or remove the entry.",
    );
  }
  const tools = await loadTools(module, where, base);
  const unknown = allow?.find((name) => !tools.some((tool) => tool.name === name));
  if (unknown !== undefined) {
    const names = tools.map((tool) => tool.name).join(", ");
    throw invalid(where, `allow names "${unknown}", which "${alias}" does not have`, `It has: ${names}.`);
  }
  return { ...moduleSource(alias, tools), allow: allow ? new Set(allow) : null };
}

async function loadTools(module: unknown, where: string, base: string): Promise<Tool[]> {
  if (Array.isArray(module)) return checkTools(module, where);
  if (typeof module !== "string") throw invalid(where, "module must be the path of a file");
  const file = module.startsWith("file:") ? fileURLToPath(module) : isAbsolute(module) ? module : resolve(base, module);
  const loaded = await loadModule(file, "the tools module");
  const exported = Reflect.get(loaded, "default") ?? Object.values(loaded);
  const found: unknown = typeof exported === "function" ? await callFactory(exported, file) : exported;
  if (!Array.isArray(found) || found.length === 0) {
    throw invalid(
      file,
      "it exports no tools",
      "Export a list of tools, or ({ defineTool, ToolFailure, z }) => [tools].",
    );
  }
  return checkTools(found, file);
}

async function callFactory(factory: (parts: unknown) => unknown, file: string): Promise<unknown> {
  try {
    return await factory({ defineTool, ToolFailure, z });
  } catch (error) {
    throw invalid(file, `its function threw: ${messageOf(error)}`, undefined, error);
  }
}

/** Imports `.mjs` and `.js` as they are, `.ts` through a loader. */
async function loadModule(file: string, what: string): Promise<object> {
  if (!existsSync(file))
    throw invalid(file, `${what} is not there`, "Check the path; it is relative to the file that names it.");
  if (!MODULE_NAME.test(file)) throw invalid(file, `${what} must be a .mjs, .js or .ts file`);
  try {
    const loaded: unknown = TYPESCRIPT_NAME.test(file)
      ? await importTypeScript(file)
      : await import(pathToFileURL(file).href);
    if (typeof loaded !== "object" || loaded === null) throw new TypeError("it is no module");
    return loaded;
  } catch (error) {
    // Node says what is wrong in a module, and keeps the line to itself.
    const hint = error instanceof SyntaxError ? "`node --check` on the file shows the line." : undefined;
    throw invalid(file, `${what} cannot be loaded: ${messageOf(error)}`, hint, error);
  }
}

async function importTypeScript(file: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  // Its cache would be a folder in TMPDIR.
  return await createJiti(import.meta.url, { fsCache: false }).import(file);
}

function defaultExport(loaded: object): unknown {
  return Reflect.get(loaded, "default");
}

function isSource(value: unknown): value is ToolSource {
  return typeof value === "object" && value !== null && Array.isArray(Reflect.get(value, "tools"));
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 2000);
