// Which backend `auto` became in an earlier process: believed for as long as this is the same machine, started once, as this user sees it.
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { packageFile } from "../model/package-files.js";
import type { KnownFacts } from "../sandbox/known-facts.js";
import type { Settings } from "../settings/settings.js";

const NAME = "choice";

export class KnownChoice {
  readonly #facts: KnownFacts;
  readonly #key: string | null;
  #believed = false;

  constructor(facts: KnownFacts, { python, searchPath }: Settings) {
    this.#facts = facts;
    const host = describeHost();
    this.#key = host && JSON.stringify([...host, python, searchPath]);
  }

  get(): string | undefined {
    const found = this.#facts.get(NAME);
    if (this.#key === null || !Array.isArray(found) || found[0] !== this.#key) return undefined;
    this.#believed = true;
    return String(found[1]);
  }

  keep(name: string): void {
    if (this.#key !== null) this.#facts.keep(NAME, [this.#key, name]);
  }

  /** False where nothing was believed. */
  forget(): boolean {
    if (!this.#believed) return false;
    this.#believed = false;
    this.#facts.keep(NAME, undefined);
    return true;
  }
}

/** Null where the kernel does not say which start of which machine this is. */
function describeHost(): unknown[] | null {
  try {
    const kernel = ["kernel/osrelease", "kernel/random/boot_id"].map((at) => readFileSync(`/proc/sys/${at}`, "utf8"));
    // A container may share its roots with the host, or with another container.
    const spaces = ["user", "mnt", "pid"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    const confined = readFileSync("/proc/self/status", "utf8").match(/^(?:Uid|Gid|Cap\w+|NoNewPrivs|Seccomp):.*$/gm);
    const { ino, mtimeMs } = statSync(packageFile("package.json"));
    return [...kernel, ...spaces, confined, ino, mtimeMs];
  } catch {
    return null;
  }
}
