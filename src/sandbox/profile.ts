// What a sandbox may see and use. Settings build profiles; backends read them.
import type { Limits } from "../model/limits.js";

export interface Profile {
  readonly name: string;
  /** "auto" is resolved before a sandbox is asked for. */
  readonly backend: string;
  /** Image of container backends. */
  readonly image: string;
  /** What the engine of container backends runs containers with, by the name it knows, as `runsc`; null: its default. */
  readonly runtime: string | null;
  /** Interpreter the caller chose; null: the backend finds one. */
  readonly python: string | null;
  readonly network: "none";
  readonly limits: Limits;
  readonly cwd: "work" | "out";
  readonly env: Readonly<Record<string, string>>;
  /** Distributions the interpreter must have, as `pandas`. */
  readonly packages: readonly string[];
  /** Modules that the zygote backend loads once, so that programs find them loaded; elsewhere each program loads its own. */
  readonly preimports: readonly string[];
  /** What a run must really have (behaviour §11), as `memory:kernel`. */
  readonly require: readonly string[];
}

export const DEFAULT_IMAGE = "iso-runtime/python:3.12";
/** The runner speaks no older one. */
export const OLDEST_PYTHON = "3.9";
