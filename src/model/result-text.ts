// A result as JSON: written down, counted and answered with, and made once for all three.
import type { RunResult } from "./result.js";

export type ShownResult = Omit<RunResult, "paths">;

/** Nobody changes a result that is told. */
const texts = new WeakMap<RunResult, string>();

/** Surfaces that others reach leave the host's paths out. */
export function shownResult({ paths: _, ...shown }: RunResult): ShownResult {
  return shown;
}

export function shownText(result: RunResult): string {
  const text = texts.get(result) ?? JSON.stringify(shownResult(result));
  texts.set(result, text);
  return text;
}

/** With all that it has. */
export function wholeText(result: RunResult): string {
  return `${shownText(result).slice(0, -1)},"paths":${JSON.stringify(result.paths)}}`;
}
