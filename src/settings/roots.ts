// Where the two roots are: flags beat environment, which beats defaults. Apart from the other settings, which take longer to load.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { packageFile } from "../model/package-files.js";
import type { Environment } from "./environment.js";

export interface Roots {
  workspaceRoot: string;
  sandboxRoot: string;
}

export interface RootFlags {
  workspaceRoot?: string | undefined;
  sandboxRoot?: string | undefined;
}

/** Absolute paths; nothing is made. */
export function chooseRoots(flags: RootFlags, { env, cwd }: Environment): Roots {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(cwd, path));
  const workspace = flags.workspaceRoot ?? (env.ISO_RUNTIME_USER_WORKSPACE_ROOT || null);
  const sandbox = flags.sandboxRoot ?? (env.ISO_RUNTIME_SANDBOX_ROOT || null);
  const base = workspace === null || sandbox === null ? defaultBase(env) : "";
  return {
    workspaceRoot: at(workspace ?? join(base, "workspace")),
    sandboxRoot: at(sandbox ?? join(base, "sandbox")),
  };
}

/** A checkout keeps its data beside its examples; an installed package where the user's data is. */
function defaultBase(env: Environment["env"]): string {
  if (existsSync(packageFile(".git"))) return packageFile("examples/bundles/data");
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), ".local", "share"), "iso-runtime");
}
