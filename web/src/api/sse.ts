// Server-sent events out of text that comes in pieces. EventSource would do it, if it could send the token.

export interface Sent {
  id: string | null;
  data: string;
}

/** Far above what one event may be: a result has at most 5 MB. */
const MOST_CHARACTERS = 64 * 1024 * 1024;

export class SseParser {
  #rest = "";
  /** Where the search for an end goes on: what lies before was looked through. */
  #looked = 0;

  push(text: string): Sent[] {
    this.#rest += text;
    if (this.#rest.length > MOST_CHARACTERS) throw new Error("An event of the stream is too long.");
    const found: Sent[] = [];
    let from = 0;
    let at = this.#rest.indexOf("\n\n", Math.max(0, this.#looked - 1));
    for (; at >= 0; at = this.#rest.indexOf("\n\n", from)) {
      const sent = parse(this.#rest.slice(from, at));
      if (sent !== null) found.push(sent);
      from = at + 2;
    }
    this.#rest = this.#rest.slice(from);
    this.#looked = this.#rest.length;
    return found;
  }
}

/** Null for what is no event: a comment, or the time to wait before the next try. */
function parse(block: string): Sent | null {
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    else if (line.startsWith("id:")) id = line.slice(3).trim();
  }
  return data.length === 0 ? null : { id, data: data.join("\n") };
}
