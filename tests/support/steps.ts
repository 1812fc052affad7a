// The named steps of a run, read out of the sources: who adds one finds it killed and failed at by the tests.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onStep } from "../../src/model/steps.js";

const SOURCE = fileURLToPath(new URL("../../src", import.meta.url));

export const STEPS = [
  ...new Set(
    readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .flatMap((path) => [...readFileSync(join(SOURCE, path), "utf8").matchAll(/\bstep\("([a-z.-]+)"\)/g)])
      .map(([, name]) => name ?? ""),
  ),
].sort();

/** Hears what of a workspace changes under its lock, whatever else a run does. Null: nobody listens. */
export function onWorkspaceStep(listen: ((name: string) => void) | null): void {
  onStep(listen && ((name) => /^(lock\.taken$|bootstrap\.|commit\.|heal\.)/.test(name) && listen(name)));
}

/** Steps that another test reaches, where directories cannot be exchanged. */
export const ELSEWHERE: Record<string, string> = {
  "commit.gap": "tests/workspace/crash.test.ts",
  "retention.counted": "tests/harness/retention.test.ts",
  "retention.forgotten": "tests/harness/retention.test.ts",
  "retention.removed": "tests/harness/retention.test.ts",
};

const ON_THIS_KERNEL = ["boot.engine", "boot.joined", "dispose.slot"];

export const ONLY_ON: Record<string, string[]> = {
  zygote: ON_THIS_KERNEL,
  bubblewrap: ON_THIS_KERNEL,
  docker: ["boot.container", "boot.attached", "boot.started", "dispose.container"],
};

/** Reached only where something is left to heal. */
export const HEALING = ["heal.placed", "heal.cleared"];

/** The steps that an ordinary run on a backend comes to. */
export function stepsReachedOn(backend: string): string[] {
  const own = ONLY_ON[backend] ?? [];
  const foreign = Object.values(ONLY_ON).flatMap((steps) => steps.filter((name) => !own.includes(name)));
  return STEPS.filter((name) => !(name in ELSEWHERE) && !foreign.includes(name) && !HEALING.includes(name));
}
