// Runs the built command line as a user would: a process of its own, with roots of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** Compiled code is kept outside the home, which many tests share with their roots, and look for what was left in. */
const CACHES = fileURLToPath(new URL("../../.cache", import.meta.url));

export interface CliResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Folder that holds both roots. */
  roots: string;
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
  /** A command that runs it as somebody else. */
  as?: string[];
}

export function startCli(
  args: string[],
  { roots, env, cwd, stdin, as = [] }: CliOptions,
): { child: ChildProcess; done: Promise<CliResult> } {
  const [command = process.execPath, ...words] = [...as, process.execPath, CLI, ...args];
  const child = spawn(command, words, {
    cwd: cwd ?? roots,
    env: {
      ...{ PATH: process.env.PATH ?? "", HOME: roots, DOCKER_HOST: process.env.DOCKER_HOST ?? "" },
      XDG_CACHE_HOME: CACHES,
      ...{ ISO_RUNTIME_USER_WORKSPACE_ROOT: `${roots}/workspace`, ISO_RUNTIME_SANDBOX_ROOT: `${roots}/sandbox` },
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.end(stdin ?? "");
  const done = new Promise<CliResult>((resolve) => {
    child.once("close", (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { child, done };
}

export const runCli = (args: string[], options: CliOptions): Promise<CliResult> => startCli(args, options).done;
