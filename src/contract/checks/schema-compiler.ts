// A JSON Schema of a contract as a function. Only references inside the schema are followed, and a schema has a size.
import { createRequire } from "node:module";
import type { Options, ValidateFunction } from "ajv";
import { OutOfTimeError, withinTime } from "../within-time.js";

const MAX_SCHEMA_BYTES = 64 * 1024;
const MAX_SCHEMA_DEPTH = 32;
const MAX_COMPILE_MS = 2_000;

type Dialect = typeof import("ajv").Ajv;

/** Loaded with the first schema there is: most contracts have none. */
const require = createRequire(import.meta.url);
const draft2020 = (): Dialect => require("ajv/dist/2020.js").Ajv2020;
const draft2019 = (): Dialect => require("ajv/dist/2019.js").Ajv2019;
const draft7 = (): Dialect => require("ajv").Ajv;
const addFormats = (): typeof import("ajv-formats").default => require("ajv-formats").default;

/** Dialects by `$schema`, less a final "#". */
const DIALECTS = new Map([
  ["https://json-schema.org/draft/2020-12/schema", draft2020],
  ["https://json-schema.org/draft/2019-09/schema", draft2019],
  ["http://json-schema.org/draft-07/schema", draft7],
  ["https://json-schema.org/draft-07/schema", draft7],
]);
const REFERENCES = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);
/** Below these stands data, not schema. */
const DATA = new Set(["const", "enum", "default", "examples", "example"]);

/** By their text, the oldest first: a contract is compiled when it is accepted and when it is judged, and the next run often has the same. */
const compiled = new Map<string, ValidateFunction>();
const MAX_COMPILED = 64;

/** Why a schema cannot be used; the message goes on after the field's name. */
export class SchemaFault extends Error {
  override readonly name = "SchemaFault";
}

export function compileSchema(schema: unknown): ValidateFunction {
  if (typeof schema !== "boolean" && (typeof schema !== "object" || schema === null || Array.isArray(schema))) {
    throw new SchemaFault("must be a JSON Schema: an object, true or false");
  }
  refuseDeep(schema);
  const text = plainText(schema);
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const check = compile(plainCopy(text));
  if (compiled.size >= MAX_COMPILED) compiled.delete(compiled.keys().next().value ?? "");
  compiled.set(text, check);
  return check;
}

function compile(plain: object | boolean): ValidateFunction {
  refuseRemote(plain);
  const dialect = dialectOf(plain);
  // `constructor` and other names of Object.prototype are properties of a document only where it has them.
  const options: Options = { strict: false, logger: false, ownProperties: true };
  try {
    return withinTime(MAX_COMPILE_MS, () => {
      const ajv = new dialect(options);
      addFormats()(ajv);
      return ajv.compile(plain);
    });
  } catch (error) {
    if (error instanceof OutOfTimeError) throw new SchemaFault("is too complex to be compiled", { cause: error });
    const reason = error instanceof Error ? error.message : String(error);
    throw new SchemaFault(`is no valid JSON Schema: ${reason.slice(0, 400)}`, { cause: error });
  }
}

/** Without recursion, so that no depth can exhaust the stack; a loop in a library's object counts as depth. */
function refuseDeep(schema: object | boolean): void {
  let level: unknown[] = [schema];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_SCHEMA_DEPTH) throw new SchemaFault(`is nested more than ${MAX_SCHEMA_DEPTH} levels deep`);
    if (level.length > MAX_SCHEMA_BYTES) throw tooLarge();
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []));
  }
}

/** What the schema is as JSON, whatever object a library call passed. */
function plainText(schema: object | boolean): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(schema);
  } catch (error) {
    throw new SchemaFault("must be plain JSON", { cause: error });
  }
  if (text === undefined) throw new SchemaFault("must be plain JSON");
  if (Buffer.byteLength(text) > MAX_SCHEMA_BYTES) throw tooLarge();
  return text;
}

function plainCopy(text: string): object | boolean {
  const copy: unknown = JSON.parse(text);
  if (typeof copy !== "boolean" && (typeof copy !== "object" || copy === null))
    throw new SchemaFault("must be plain JSON");
  return copy;
}

function tooLarge(): SchemaFault {
  return new SchemaFault(`is larger than ${MAX_SCHEMA_BYTES} bytes`);
}

function refuseRemote(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (DATA.has(key)) continue;
    if (REFERENCES.has(key) && typeof child === "string" && !child.startsWith("#")) {
      const hint = 'only references inside the schema, such as "#/$defs/item", are followed';
      throw new SchemaFault(`has the reference "${child.slice(0, 200)}"; ${hint}`);
    }
    refuseRemote(child);
  }
}

function dialectOf(schema: object | boolean): Dialect {
  const named = typeof schema === "object" && "$schema" in schema ? schema.$schema : undefined;
  if (named === undefined) return draft2020();
  const dialect = typeof named === "string" ? DIALECTS.get(named.replace(/#$/, "")) : undefined;
  if (dialect !== undefined) return dialect();
  throw new SchemaFault(`has an unknown $schema; known are ${[...DIALECTS.keys()].join(", ")}, and none at all`);
}
