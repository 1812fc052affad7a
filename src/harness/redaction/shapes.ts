// Secrets that nobody named but whose shape gives them away: private keys, bearer tokens, keys of well-known services. Found in a
// stream as it comes, in bounded memory: the same is found however the stream is cut.

interface Shape {
  /** What may follow the prefix. */
  readonly body: RegExp;
  readonly fits: (body: string) => boolean;
  /** True where the prefix is a word that stays. */
  readonly keepsPrefix: boolean;
}

/** Looked at of a body to decide; a longer one is hidden to its end. */
const DECIDED_BYTES = 512;
/** Of a private key without an end. */
const MAX_KEY_BYTES = 64 * 1024;
/** More than the line that ends a private key. */
const END_LINE_BYTES = 96;
const KEY_PREFIX = "-----BEGIN ";
const KEY_HEAD = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const KEY_HEAD_BEGINNING = /^[A-Z0-9 ]{0,64}-{0,5}$/;
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;

const longerThan =
  (min: number, more?: RegExp) =>
  (body: string): boolean =>
    body.length >= min && (more === undefined || more.test(body));

const shape = (body: RegExp, min: number, more?: RegExp, keepsPrefix = false): Shape => ({
  ...{ body, fits: longerThan(min, more), keepsPrefix },
});
const WORD = /[A-Za-z0-9]*/y;
const SNAKE = /[A-Za-z0-9_]*/y;
const DASHED = /[A-Za-z0-9_-]*/y;
const CREDENTIALS = /[A-Za-z0-9._~+/=-]*/y;
/** Words of a language have none, tokens nearly always. */
const DIGIT = /\d/;

const SHAPES = new Map<string, Shape>([
  ...["ghp_", "gho_", "ghu_", "ghs_", "ghr_"].map((prefix) => [prefix, shape(WORD, 30)] as const),
  ["github_pat_", shape(SNAKE, 30)],
  ["glpat-", shape(DASHED, 20)],
  ["sk-", shape(DASHED, 20, DIGIT)],
  ...["sk_live_", "rk_live_", "sk_test_"].map((prefix) => [prefix, shape(WORD, 16)] as const),
  ...["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"].map(
    (prefix) => [prefix, shape(DASHED, 20, DIGIT)] as const,
  ),
  ...["AKIA", "ASIA"].map((prefix) => [prefix, shape(/[A-Z0-9]*/y, 16)] as const),
  ["AIza", shape(DASHED, 35)],
  ["hf_", shape(WORD, 30)],
  ["npm_", shape(WORD, 36)],
  ["pypi-", shape(DASHED, 60)],
  ["eyJ", shape(/[A-Za-z0-9_.-]*/y, 40, /\./)],
  ...["Bearer ", "bearer ", "BEARER ", "Basic ", "basic "].map(
    (prefix) => [prefix, shape(CREDENTIALS, 16, DIGIT, true)] as const,
  ),
]);

export const PREFIXES = [KEY_PREFIX, ...SHAPES.keys()];
const ANY_PREFIX = new RegExp(
  `${KEY_PREFIX}|(?<![A-Za-z0-9_])(?:${PREFIXES.slice(1)
    .sort((a, b) => b.length - a.length)
    .join("|")})`,
  "g",
);
export const LONGEST_PREFIX = Math.max(...PREFIXES.map(({ length }) => length));
const BEGINNINGS = new Set(
  PREFIXES.flatMap((prefix) => Array.from({ length: prefix.length - 1 }, (_, at) => prefix.slice(0, at + 1))),
);
const WORD_END = /[A-Za-z0-9_]$/;

/** A part of each prefix, in an expression that is half as fast again as the whole ones. */
const A_PART =
  /gh[pousr]_|_pat_|glpat-|sk[-_]|rk_l|xox[abeprs]-|xapp-|A[KS]IA|AIza|hf_|npm_|pypi-|eyJ|[eE](?:arer|ARER) |asic |--BEGIN /;

/** Whether there is anything to look closer at. */
export function mayHaveShape(text: string): boolean {
  return A_PART.test(text);
}

/** Where the end of a text may be the beginning of a prefix; its length where not. */
export function openEnd(text: string, from: number): number {
  for (let at = Math.max(from, text.length - LONGEST_PREFIX + 1); at < text.length; at += 1) {
    if (!BEGINNINGS.has(text.slice(at))) continue;
    if (text[at] === "-" || at === 0 || !WORD_END.test(text[at - 1] ?? "")) return at;
  }
  return text.length;
}

export class ShapeStream {
  readonly #mask: string;
  /** The character before what is held: a prefix begins a word. */
  #before = "";
  #held = "";
  /** The rest of a body that is hidden. */
  #body: RegExp | null = null;
  /** Bytes of a private key that may still come. */
  #keyBytes = 0;

  constructor(mask: string) {
    this.#mask = mask;
  }

  /** Whether the next text is looked at by itself. */
  get isIdle(): boolean {
    return this.#held === "" && this.#body === null && this.#keyBytes === 0;
  }

  /** What was let through unchanged. */
  passed(text: string): void {
    if (text !== "") this.#before = text.slice(-1);
  }

  get before(): string {
    return this.#before;
  }

  push(text: string, last = false): string {
    const all = this.#before + this.#held + text;
    let at = this.#before.length;
    let out = "";
    const hold = (from: number): string => {
      if (from > 0) this.#before = all.slice(from - 1, from);
      this.#held = all.slice(from);
      return out;
    };
    for (;;) {
      if (this.#body !== null) {
        at = endOf(this.#body, all, at);
        if (at === all.length && !last) return hold(at);
        this.#body = null;
      }
      if (this.#keyBytes > 0) {
        const end = this.#keyEnd(all, at, last);
        if (end === null) return hold(this.#keepForKey(all, at));
        at = end;
      }
      ANY_PREFIX.lastIndex = at;
      const found = ANY_PREFIX.exec(all);
      if (found === null) break;
      const { index: start } = found;
      const prefix = found[0];
      const bodyAt = start + prefix.length;
      if (prefix === KEY_PREFIX) {
        KEY_HEAD.lastIndex = start;
        if (KEY_HEAD.test(all)) {
          out += all.slice(at, start) + this.#mask;
          at = KEY_HEAD.lastIndex;
          this.#keyBytes = MAX_KEY_BYTES;
          continue;
        }
        if (!last && KEY_HEAD_BEGINNING.test(all.slice(bodyAt))) {
          out += all.slice(at, start);
          return hold(start);
        }
        out += all.slice(at, bodyAt);
        at = bodyAt;
        continue;
      }
      const known = SHAPES.get(prefix);
      if (known === undefined) throw new RangeError(`no shape begins with ${prefix}`);
      const end = endOf(known.body, all, bodyAt);
      const isOpen = end === all.length && !last;
      if (isOpen && end - bodyAt < DECIDED_BYTES) {
        out += all.slice(at, start);
        return hold(start);
      }
      if (known.fits(all.slice(bodyAt, Math.min(end, bodyAt + DECIDED_BYTES)))) {
        out += all.slice(at, known.keepsPrefix ? bodyAt : start) + this.#mask;
        at = end;
        if (isOpen) this.#body = known.body;
      } else {
        out += all.slice(at, bodyAt);
        at = bodyAt;
      }
    }
    const end = last ? all.length : openEnd(all, at);
    out += all.slice(at, end);
    return hold(end);
  }

  /** Where the text goes on after a private key; null while it has not ended. */
  #keyEnd(all: string, at: number, last: boolean): number | null {
    KEY_END.lastIndex = at;
    const found = KEY_END.exec(all);
    let end: number | null = null;
    if (found !== null && found.index - at <= this.#keyBytes) end = KEY_END.lastIndex;
    else if (all.length - at > this.#keyBytes + END_LINE_BYTES) end = at + this.#keyBytes;
    else if (last) end = all.length;
    if (end !== null) this.#keyBytes = 0;
    return end;
  }

  /** The end of what there is, as it may be the beginning of the key's last line. */
  #keepForKey(all: string, at: number): number {
    const from = Math.max(at, all.length - END_LINE_BYTES);
    this.#keyBytes -= from - at;
    return from;
  }
}

function endOf(body: RegExp, text: string, at: number): number {
  body.lastIndex = at;
  body.test(text);
  return body.lastIndex;
}
