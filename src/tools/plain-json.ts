// What crosses to the program, and what a record keeps of it: plain JSON, bounded in size and depth.
import { MiB } from "../model/limits.js";
import { ToolFailure } from "./define-tool.js";

/** A frame to the program has 8 MiB and 64 levels (docs/runner-protocol.md); the rest is for what stands around the result. */
const MAX_RESULT_BYTES = 8 * MiB - 4096;
const MAX_RESULT_DEPTH = 60;
/** A record keeps values up to this, and says how large a larger one was. */
const MAX_RECORD_BYTES = 16 * 1024;

/**
 * The value as JSON makes it; `undefined` is null. Throws `result_invalid` for what is too large or too deep, and for what JSON
 * cannot say, also where JSON.stringify would lose it in silence: NaN as null, a Map as {}.
 */
export function plainJson(value: unknown): unknown {
  if (value === undefined) return null;
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseLoss);
  } catch (error) {
    const why = error instanceof Error ? error.message : "it cannot be written";
    throw new ToolFailure("result_invalid", `the tool's result is not JSON: ${why}`);
  }
  if (text === undefined) throw new ToolFailure("result_invalid", `the tool's result is not JSON: a ${typeof value}`);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_RESULT_BYTES) {
    throw new ToolFailure("result_invalid", `the tool's result has ${bytes} bytes; ${MAX_RESULT_BYTES} may be sent`);
  }
  const plain: unknown = JSON.parse(text);
  if (isDeeper(plain, MAX_RESULT_DEPTH)) {
    throw new ToolFailure("result_invalid", `the tool's result is nested more than ${MAX_RESULT_DEPTH} levels deep`);
  }
  return plain;
}

/** The value itself where it is small, else a text that says what was left out; and its size as JSON. */
export function brief(value: unknown): { kept: unknown; bytes: number } {
  const text = JSON.stringify(value) ?? "null";
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_RECORD_BYTES) return { kept: JSON.parse(text), bytes };
  return { kept: `${text.slice(0, 1024)}… (${bytes} bytes as JSON, cut)`, bytes };
}

function refuseLoss(key: string, value: unknown): unknown {
  const lost =
    typeof value === "number"
      ? !Number.isFinite(value) && String(value)
      : typeof value === "bigint" || typeof value === "function" || typeof value === "symbol"
        ? `a ${typeof value}`
        : (value instanceof Map && "a Map") || (value instanceof Set && "a Set");
  if (lost !== false) throw new TypeError(`${key === "" ? "it" : JSON.stringify(key)} is ${lost}`);
  return value;
}

/** Level by level, so that no depth overflows our own stack. */
function isDeeper(value: unknown, maxDepth: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth += 1) {
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
  return level.length > 0;
}
