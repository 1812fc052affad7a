// A bundle: a folder with tools, scenarios and profiles that belong together, found by their names.
import { isUtf8 } from "node:buffer";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { sayIssue } from "../model/say-issue.js";
import type { ToolDescriptor } from "../tools/subsystem.js";
import { parseScenario, type Scenario } from "./scenario.js";

export type { Scenario } from "./scenario.js";

export interface Bundle {
  readonly name: string;
  /** A descriptor's file or object; null: no tools. */
  readonly tools: string | ToolDescriptor | null;
  readonly scenarios: readonly Scenario[];
  /** Profiles as a config file has them; settings check them. */
  readonly profiles: Readonly<Record<string, unknown>>;
}

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const DESCRIPTORS = ["tools-descriptor.mjs", "tools-descriptor.js", "tools-descriptor.ts"];

const Shape = z.object({
  name: z.string().min(1),
  scenarios: z.array(
    z.object({
      id: z.string().regex(/^(0|[1-9]\d{0,5})$/, "must be a number as a text, without leading zeros"),
      ...{ label: z.string().min(1), code: z.string(), profile: z.string().optional() },
      timeoutMs: z.number().min(100).max(86_400_000),
      mode: z.enum(["contract", "side-effects"]),
      contract: z.custom((value) => typeof value === "function", "must be a function of the turn"),
    }),
  ),
  profiles: z.record(z.string(), z.unknown()),
});

/** Types a bundle that is written in code. */
export function defineBundle(bundle: Partial<Omit<Bundle, "name">> & Pick<Bundle, "name">): Bundle {
  const { name, tools = null, scenarios = [], profiles = {} } = bundle;
  return checkBundle({ name, tools, scenarios, profiles });
}

/** A bundle that code made. Throws IsoError `bundle_invalid` that names the key at fault; the tools say their own. */
export function checkBundle(bundle: Bundle): Bundle {
  const issue = Shape.safeParse(bundle, { error: sayIssue }).error?.issues[0];
  if (issue)
    throw invalid(
      typeof bundle.name === "string" ? bundle.name : "bundle",
      `${issue.path.map(String).join(".") || "it"} ${issue.message}`,
    );
  return checkIds(bundle);
}

/** Loads a bundle's folder. Throws IsoError `bundle_invalid` that names the file at fault. */
export async function loadBundle(dir: string): Promise<Bundle> {
  const folder = resolve(dir);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw invalid(
      folder,
      "there is no such folder",
      "A bundle is a folder with tools-descriptor.mjs, scenarios/ and profiles.json.",
    );
  }
  const descriptor = DESCRIPTORS.map((name) => join(folder, name)).find((file) => existsSync(file));
  const bundle = {
    name: basename(folder),
    tools: descriptor ?? null,
    scenarios: loadScenarios(folder),
    profiles: loadProfiles(folder),
  };
  if (bundle.tools === null && bundle.scenarios.length === 0 && Object.keys(bundle.profiles).length === 0) {
    throw invalid(folder, "it is no bundle: it has none of tools-descriptor.mjs, scenarios/ and profiles.json");
  }
  return checkIds(bundle);
}

/** What a user may run next, for a page to show. */
export function followups(bundle: Bundle): { id: string; label: string }[] {
  return bundle.scenarios.map(({ id, label }) => ({ id, label }));
}

function loadScenarios(folder: string): Scenario[] {
  const dir = join(folder, "scenarios");
  if (!existsSync(dir)) return [];
  const names = reading(dir, () => readdirSync(dir));
  return names
    .filter((name) => name.endsWith(".py") && !name.startsWith("."))
    .map((name) => parseScenario(name, readText(join(dir, name)), (what) => invalid(join(dir, name), what)))
    .sort((a, b) => Number(a.id) - Number(b.id));
}

function loadProfiles(folder: string): Record<string, unknown> {
  const file = join(folder, "profiles.json");
  if (!existsSync(file)) return {};
  const text = readText(file);
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw invalid(file, `it is no JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return { ...found };
  throw invalid(file, "it must be an object of profiles by name");
}

/** A text file, without the mark some editors put first. */
function readText(file: string): string {
  const bytes = reading(file, () => {
    if (statSync(file).size > MAX_FILE_BYTES) throw invalid(file, `it has more than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(file);
  });
  if (!isUtf8(bytes)) throw invalid(file, "it is not UTF-8");
  return bytes.toString().replace(/^\uFEFF/, "");
}

/** What the system says of an unreadable file or folder, as a fault of the bundle. */
function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof IsoError) throw error;
    throw invalid(path, `it cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function checkIds(bundle: Bundle): Bundle {
  const ids = bundle.scenarios.map((scenario) => scenario.id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw invalid(bundle.name, `two scenarios have the number ${twice}`);
  return bundle;
}

function invalid(where: string, what: string, hint?: string): IsoError {
  return new IsoError("bundle_invalid", `${where}: ${what}`, { field: "bundle", ...(hint !== undefined && { hint }) });
}
