// What crosses to the program, and what a record keeps of it: plain JSON, bounded.
import { ToolFailure } from "./define-tool.js";

const MAX_RESULT_BYTES = 8 * 1024 * 1024 - 4096;
/** A record keeps values up to this, and says how large a larger one was. */
const MAX_RECORD_BYTES = 16 * 1024;

/** The value as JSON makes it; `undefined` is null. Throws `result_invalid` for what JSON cannot say and for what is too large. */
export function plainJson(value: unknown): unknown {
  if (value === undefined) return null;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new ToolFailure(
      "result_invalid",
      `the tool's result is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (text === undefined) throw new ToolFailure("result_invalid", `the tool's result is not JSON: a ${typeof value}`);
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES) {
    throw new ToolFailure(
      "result_invalid",
      `the tool's result has ${Buffer.byteLength(text)} bytes; ${MAX_RESULT_BYTES} may be sent`,
    );
  }
  return JSON.parse(text);
}

/** The value itself where it is small, else a text that says what was left out. */
export function brief(value: unknown): unknown {
  const text = JSON.stringify(value) ?? "null";
  if (text.length <= MAX_RECORD_BYTES) return JSON.parse(text);
  return `${text.slice(0, 1024)}… (${Buffer.byteLength(text)} bytes as JSON, cut)`;
}
