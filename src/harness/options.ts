// What `createRuntime` may be given: its shape, and the sentence that says which option is wrong. Tools, bundle and config say their own faults.
import { z } from "zod";
import type { Bundle } from "../bundles/bundle.js";
import { IsoError } from "../model/errors.js";
import { sayIssue } from "../model/say-issue.js";
import type { SandboxBackend } from "../sandbox/backend.js";
import type { ConfigInput } from "../settings/settings.js";
import type { ToolDescriptor, ToolSubsystem } from "../tools/subsystem.js";

export interface RuntimeOptions {
  /** A tools descriptor: a file, an object, or a loaded subsystem. Without it and without `bundle`, the built-in bundle's. */
  tools?: string | ToolDescriptor | ToolSubsystem;
  /** A bundle's folder, or a loaded bundle. */
  bundle?: string | Bundle;
  /** Name of the profile of runs that name none. */
  profile?: string;
  backend?: string;
  python?: string;
  workspaceRoot?: string;
  sandboxRoot?: string;
  /** A config file, or its content. */
  config?: string | ConfigInput;
  /** How many sandboxes wait ready at least for each profile in use, and more where runs come faster; default 2, 0 boots each when it is
   * asked for. */
  warm?: number;
  /** Bytes that all sandboxes which wait may take; default an eighth of the machine's memory, and no more than a quarter of what is free. */
  warmMemory?: number;
  /** Further backends beside the built-in ones, best first; a profile or `backend` names them. */
  backends?: SandboxBackend[];
}

const MAX_WARM = 64;
/** An empty path would be the current folder, and an empty name a choice nobody made. */
const name = z.string().min(1).max(4096).optional();
const textOrObject = z
  .custom((value) => (typeof value === "string" && value !== "") || isObject(value), "must be a path or an object")
  .optional();

const Options = z.strictObject({
  ...{ tools: textOrObject, bundle: textOrObject, config: textOrObject },
  ...{ profile: name, backend: name, python: name, workspaceRoot: name, sandboxRoot: name },
  warm: z.int().min(0).max(MAX_WARM).optional(),
  warmMemory: z.int().min(0).optional(),
  backends: z.array(z.custom(isObject, "must be a backend")).optional(),
});

/** Throws IsoError `invalid_request` that names the option. */
export function checkOptions(options: RuntimeOptions): void {
  const issue = Options.safeParse(options, { error: sayIssue }).error?.issues[0];
  if (issue === undefined) return;
  const unknown = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const field = [...issue.path, ...(unknown === undefined ? [] : [unknown])].map(String).join(".") || "options";
  throw new IsoError("invalid_request", `${field}: ${unknown === undefined ? issue.message : "is not an option"}`, {
    field,
    hint: `createRuntime takes: ${Object.keys(Options.shape).join(", ")}.`,
  });
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
