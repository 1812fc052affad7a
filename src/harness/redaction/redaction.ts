// What a run's secrets are, and a run's words without them. The program gets its real values; everything else that leaves a run — logs,
// events, results, records — goes through here first. docs/decisions/0018 says what is a secret and what this cannot do.
import { IsoError } from "../../model/errors.js";
import { KiB } from "../../model/limits.js";
import { formsOf } from "./forms.js";
import type { SecretNames } from "./names.js";
import { NeedleStream, Needles } from "./needles.js";
import { hasPrefix } from "./quick-look.js";
import { LONGEST_PREFIX, mayHaveShape, openEnd, ShapeStream } from "./shapes.js";

export const MASK = "[redacted]";
/** A shorter value would be found in words that have nothing to do with it. */
const MIN_SECRET_LENGTH = 8;
/** Of a secret of many lines, as a key file is, each line long enough is one. */
const MIN_LINE_LENGTH = 16;
/** Longer ones are looked for in pieces, so that no more is held back. */
const PIECE_LENGTH = 256;
/** Of all secrets of a run together, and of those that tool calls named. */
const MAX_SECRET_BYTES = 64 * KiB;
const MAX_LEARNT_BYTES = 16 * KiB;
/** Levels of JSON that are looked into; nothing of ours is deeper. */
const MAX_DEPTH = 100;
const URL_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:([^@/\s]+)@/i;

export class Redaction {
  readonly #names: SecretNames;
  readonly #texts = new Set<string>();
  /** How much of secrets there may be. */
  #room = MAX_SECRET_BYTES;
  #needles: Needles | null = null;

  /** Throws `invalid_request` for more secrets than can be looked for. */
  constructor(names: SecretNames, env: Readonly<Record<string, string>>) {
    this.#names = names;
    const secrets: string[] = [];
    for (const [name, value] of Object.entries(env)) {
      const password = URL_PASSWORD.exec(value)?.[1];
      secrets.push(...(names.has(name) ? [value] : []), ...(password === undefined ? [] : [password]));
    }
    const known = secrets.map((secret) => secret.trim()).filter(({ length }) => length >= MIN_SECRET_LENGTH);
    for (const secret of known) {
      if (this.#hold(secret)) continue;
      throw new IsoError("invalid_request", `env: has more than ${MAX_SECRET_BYTES} bytes of secrets`, {
        field: "env",
        hint: "Give large secrets as files of the workspace, or under names that do not say they are secrets.",
      });
    }
    for (const secret of known) this.#holdForms(secret);
    this.#room = MAX_LEARNT_BYTES;
    this.#build();
  }

  /** For bytes as they come; what it returns is what may be shown of them. */
  stream(): RedactedStream {
    return new RedactedStream(() => this.#needles);
  }

  text(text: string): string {
    let clean = text;
    if (this.#needles !== null && text.length >= MIN_SECRET_LENGTH) {
      const { spans } = this.#needles.scan(asBytes(text));
      if (spans.length > 0) clean = asText(new NeedleStream(this.#needles, MASK).push(asBytes(text), true));
    }
    return mayHaveShape(clean) ? new ShapeStream(MASK).push(clean, true) : clean;
  }

  /** JSON without the secrets in it: what a name says is one, and what is known for one. The value itself where there are none. */
  value<T>(value: T): T {
    return this.#clean(value, false, 0) as T;
  }

  /** The same, and from now on those secrets are known wherever else they turn up. */
  learn<T>(value: T): T {
    const known = this.#texts.size;
    this.#find(value, false, 0);
    if (this.#texts.size > known) this.#build();
    return this.value(value);
  }

  /** Variables or labels, by their names. */
  variables(env: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, this.#names.has(name) ? MASK : this.text(value)]),
    );
  }

  #clean(value: unknown, isSecret: boolean, depth: number): unknown {
    if (typeof value === "string") return isSecret && value !== "" ? MASK : this.text(value);
    if (typeof value === "number") return isSecret ? MASK : value;
    if (typeof value !== "object" || value === null) return value;
    if (depth > MAX_DEPTH) return MASK;
    if (Array.isArray(value)) {
      let list: unknown[] | null = null;
      for (const [at, item] of value.entries()) {
        const clean = this.#clean(item, isSecret, depth + 1);
        if (clean === item) continue;
        list ??= [...value];
        list[at] = clean;
      }
      return list ?? value;
    }
    let isChanged = false;
    const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
      const name = this.text(key);
      const clean = this.#clean(item, isSecret || this.#isSecret(key, item), depth + 1);
      isChanged ||= clean !== item || name !== key;
      return [name, clean];
    });
    if (!isChanged) return value;
    // From entries: a key of the program's may be __proto__.
    const clean = Object.fromEntries(entries);
    // The same name as bytes.
    if ("pathBase64" in value && "path" in value && clean.path !== value.path) delete clean.pathBase64;
    return clean;
  }

  #isSecret(key: string, value: unknown): boolean {
    return this.#names.has(key) && !(typeof value === "number" && this.#names.isCount(key));
  }

  #find(value: unknown, isSecret: boolean, depth: number): void {
    if (typeof value === "string") {
      if (isSecret) this.#learn(value);
    } else if (typeof value === "object" && value !== null && depth <= MAX_DEPTH) {
      for (const [key, item] of Object.entries(value)) {
        this.#find(item, isSecret || (!Array.isArray(value) && this.#names.has(key)), depth + 1);
      }
    }
  }

  #learn(secret: string): void {
    const value = secret.trim();
    if (value.length >= MIN_SECRET_LENGTH && this.#hold(value)) this.#holdForms(value);
  }

  /** Its lines, and how else it is written, while there is room. */
  #holdForms(secret: string): void {
    for (const line of secret.split(/\r?\n/)) if (line.length >= MIN_LINE_LENGTH) this.#hold(line);
    for (const form of formsOf(secret)) this.#hold(form);
  }

  /** False where there is no room for all of it. */
  #hold(text: string): boolean {
    for (const piece of piecesOf(text)) {
      if (this.#texts.has(piece)) continue;
      if (piece.length > this.#room) return false;
      this.#texts.add(piece);
      this.#room -= piece.length;
    }
    return true;
  }

  #build(): void {
    this.#needles = this.#texts.size === 0 ? null : new Needles([...this.#texts].map(asBytes));
  }
}

export class RedactedStream {
  readonly #needles: () => Needles | null;
  #known: Needles | null = null;
  #named: NeedleStream | null = null;
  readonly #shaped = new ShapeStream(MASK);

  constructor(needles: () => Needles | null) {
    this.#needles = needles;
  }

  push(bytes: Buffer): Buffer {
    const needles = this.#needles();
    if (needles === null && this.#shaped.isIdle && !hasPrefix(bytes)) {
      // Nearly all output: it goes on as the bytes it came in.
      const { before } = this.#shaped;
      const from = Math.max(0, bytes.length - LONGEST_PREFIX - 1);
      const end = (from === 0 ? before : "") + bytes.toString("latin1", from);
      if (openEnd(end, from === 0 ? before.length : 1) === end.length) {
        this.#shaped.passed(end);
        return bytes;
      }
    }
    const text = bytes.toString("latin1");
    const named = this.#rename(needles) + (this.#named === null ? text : this.#named.push(text));
    return Buffer.from(this.#shaped.push(named), "latin1");
  }

  /** What was held back. */
  end(): Buffer {
    const rest = this.#named?.push("", true) ?? "";
    return Buffer.from(this.#shaped.push(rest, true), "latin1");
  }

  /** Secrets became known in the middle of a stream: what the ones before held back is looked at by those. */
  #rename(needles: Needles | null): string {
    if (needles === this.#known) return "";
    const rest = this.#named?.push("", true) ?? "";
    this.#known = needles;
    this.#named = needles === null ? null : new NeedleStream(needles, MASK);
    return this.#named === null ? rest : this.#named.push(rest);
  }
}

/** Whole characters each, and at the end as long a piece as before. */
function piecesOf(text: string): string[] {
  const letters = Array.from(text);
  const pieces: string[] = [];
  for (let at = 0; at < letters.length; at += PIECE_LENGTH) {
    const end = Math.min(letters.length, at + PIECE_LENGTH);
    pieces.push(letters.slice(Math.max(0, Math.min(at, end - PIECE_LENGTH)), end).join(""));
  }
  return pieces;
}

const asBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const asText = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");
