// Known secrets, found in one pass however many there are and however they overlap (Aho and Corasick's automaton). Texts are strings
// of one character a byte, so that streams are searched as they come.

/** Half open. */
export interface Span {
  start: number;
  end: number;
}

export interface Found {
  /** In order, none overlapping another: what overlapped is one. */
  spans: Span[];
  /** From here on the text may be the beginning of a secret whose rest is still to come. */
  open: number;
}

export class Needles {
  /** Node and byte to node; node 0 is the root. */
  readonly #next = new Map<number, number>();
  readonly #depth: number[] = [0];
  readonly #fail: number[] = [0];
  /** Of the secrets that end at a node, the longest one's length. */
  readonly #longest: number[] = [0];
  readonly #first = new Uint8Array(256);

  constructor(needles: Iterable<string>) {
    for (const needle of needles) if (needle !== "") this.#add(needle);
    this.#link();
  }

  scan(text: string): Found {
    const spans: Span[] = [];
    let node = 0;
    for (let at = 0; at < text.length; at += 1) {
      const byte = text.charCodeAt(at) & 255;
      // Most bytes begin no secret.
      if (node === 0 && this.#first[byte] === 0) continue;
      node = this.#step(node, byte);
      const length = this.#longest[node] ?? 0;
      if (length > 0) join(spans, { start: at + 1 - length, end: at + 1 });
    }
    return { spans, open: text.length - (this.#depth[node] ?? 0) };
  }

  #step(from: number, byte: number): number {
    for (let node = from; ; node = this.#fail[node] ?? 0) {
      const next = this.#next.get(node * 256 + byte);
      if (next !== undefined) return next;
      if (node === 0) return 0;
    }
  }

  #add(needle: string): void {
    let node = 0;
    for (let at = 0; at < needle.length; at += 1) {
      const key = node * 256 + (needle.charCodeAt(at) & 255);
      let next = this.#next.get(key);
      if (next === undefined) {
        next = this.#depth.length;
        this.#next.set(key, next);
        this.#depth.push(at + 1);
        this.#fail.push(0);
        this.#longest.push(0);
      }
      node = next;
    }
    this.#longest[node] = needle.length;
    this.#first[needle.charCodeAt(0) & 255] = 1;
  }

  /** Nearest to the root first, so that what a node falls back to is known already. */
  #link(): void {
    const edges = [...this.#next].sort(([, a], [, b]) => (this.#depth[a] ?? 0) - (this.#depth[b] ?? 0));
    for (const [key, node] of edges) {
      const parent = Math.floor(key / 256);
      const fail = parent === 0 ? 0 : this.#step(this.#fail[parent] ?? 0, key % 256);
      this.#fail[node] = fail;
      if (this.#longest[node] === 0) this.#longest[node] = this.#longest[fail] ?? 0;
    }
  }
}

function join(spans: Span[], span: Span): void {
  let { start } = span;
  for (let last = spans.at(-1); last !== undefined && last.end > start; last = spans.at(-1)) {
    start = Math.min(start, last.start);
    spans.pop();
  }
  spans.push({ start, end: span.end });
}

/** A stream in which known secrets are replaced. What may be the beginning of one is held back until it is told apart. */
export class NeedleStream {
  readonly #needles: Needles;
  readonly #mask: string;
  #held = "";
  /** Of what is held: so many bytes are covered by a mask that was let out. */
  #covered = 0;

  constructor(needles: Needles, mask: string) {
    this.#needles = needles;
    this.#mask = mask;
  }

  /** `last`: nothing follows. */
  push(text: string, last = false): string {
    const all = this.#held + text;
    const { spans, open } = this.#needles.scan(all);
    const end = last ? all.length : open;
    let at = this.#covered;
    let out = "";
    for (const span of spans) {
      if (span.start >= end) break;
      if (span.start >= at) out += all.slice(at, span.start) + this.#mask;
      // One that begins below what is covered goes on with that mask.
      at = Math.max(at, span.end);
    }
    if (at < end) {
      out += all.slice(at, end);
      at = end;
    }
    this.#held = all.slice(end);
    this.#covered = at - end;
    return out;
  }
}
