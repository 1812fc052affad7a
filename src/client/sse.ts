// Server-sent events out of a body, as the HTML standard has them. Of the stream's own settings only `retry` counts here.

export interface ServerSent {
  /** Null where the event names none. */
  id: string | null;
  data: string;
  /** What the service wants a reader to wait before it comes again. */
  retryMs: number | null;
}

/** More than any event of ours has. */
const MAX_EVENT_CHARS = 64 * 1024 * 1024;

export class SseReader {
  #rest = "";
  #id: string | null = null;
  #data: string[] = [];
  #retryMs: number | null = null;
  #chars = 0;

  /** The events that this text completes. Lines end with LF, CR LF or CR. Throws RangeError for one without an end. */
  push(text: string): ServerSent[] {
    const events: ServerSent[] = [];
    const all = this.#rest + text;
    let from = 0;
    // What is left of before has no line's end, but for a CR as its last letter.
    for (let at = Math.max(0, this.#rest.length - 1); at < all.length; at += 1) {
      const letter = all.charCodeAt(at);
      if (letter !== 10 && letter !== 13) continue;
      // Whether LF follows is not known yet.
      if (letter === 13 && at === all.length - 1) break;
      this.#line(all.slice(from, at), events);
      if (letter === 13 && all.charCodeAt(at + 1) === 10) at += 1;
      from = at + 1;
    }
    this.#rest = all.slice(from);
    if (this.#chars + this.#rest.length > MAX_EVENT_CHARS) throw new RangeError("an event of the stream has no end");
    return events;
  }

  #line(line: string, events: ServerSent[]): void {
    if (line === "") {
      if (this.#data.length > 0 || this.#retryMs !== null) {
        events.push({ id: this.#id, data: this.#data.join("\n"), retryMs: this.#retryMs });
      }
      [this.#id, this.#data, this.#retryMs, this.#chars] = [null, [], null, 0];
      return;
    }
    this.#chars += line.length;
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d{1,7}$/.test(value)) this.#retryMs = Number(value);
  }
}
