// Finds tracebacks among the lines of one stream: from the line that is `Traceback (most recent call last):`, indented or an
// exception group's too, to the final exception line, or to the end of the group. Each link of a chain is a traceback of its own.
import { HeadTail } from "./head-tail.js";
import { decodeUtf8 } from "./printable.js";
import { joinEnds } from "./truncate.js";

const TITLE = "Traceback (most recent call last):";
const PLAIN = /^([\s|]*)Traceback \(most recent call last\):\s*$/;
const GROUP = /^([\s|]*)\+ Exception Group Traceback \(most recent call last\):\s*$/;
const FRAME = /^\s+File "/;
/** `module.Name: message`, or the name alone; classes made in functions have `<locals>` in theirs. */
const EXCEPTION = /^[\p{L}_][\p{L}\p{N}_.<>]{0,500}(?:$|:(?:\s|$))/u;
/** Without a single frame only a name that can be nothing else is taken for the end of a traceback. */
const SURE_EXCEPTION =
  /^[\p{L}_][\p{L}\p{N}_.<>]{0,500}(?:Error|Exception|Interrupt|Exit|Warning|Iteration|Group)(?:$|:(?:\s|$))/u;
const GROUP_LINE = /^[\s|]*[|+]/;
const GROUP_END = /^([\s|]*)\+-{4,}\s*$/;

/** A traceback with more lines than any program's is taken as torn: what follows may be anything. */
const MAX_LINES = 50_000;

export interface FoundTraceback {
  text: string;
  /** The line that names the exception; null where the output ended or was torn before it. */
  finalLine: string | null;
}

interface Block {
  kind: "plain" | "group";
  /** What stands in front of each line. */
  prefix: string;
  kept: HeadTail;
  framed: boolean;
  blankLines: number;
  lines: number;
  finalLine: string | null;
}

export class TracebackReader {
  readonly #maxBytes: number;
  readonly #onFound: (found: FoundTraceback) => void;
  #block: Block | null = null;

  constructor(maxBytes: number, onFound: (found: FoundTraceback) => void) {
    this.#maxBytes = maxBytes;
    this.#onFound = onFound;
  }

  /** True while lines belong to a traceback whose end was not seen. */
  get inside(): boolean {
    return this.#block !== null;
  }

  /** Takes a line; true when it is part of a traceback. */
  read(line: string): boolean {
    if (this.#block !== null && this.#continue(this.#block, line)) return true;
    if (!line.includes(TITLE)) return false;
    const group = GROUP.exec(line);
    const start = group ?? PLAIN.exec(line);
    if (start === null) return false;
    const kept = new HeadTail(this.#maxBytes);
    this.#block = {
      ...{ kind: group ? "group" : "plain", prefix: start[1] ?? "", kept },
      ...{ framed: false, blankLines: 0, lines: 0, finalLine: null },
    };
    keep(this.#block, line);
    return true;
  }

  finish(): void {
    if (this.#block !== null) this.#end(this.#block);
  }

  #continue(block: Block, line: string): boolean {
    block.lines += 1;
    if (block.lines > MAX_LINES) {
      this.#end(block);
      return false;
    }
    return block.kind === "group" ? this.#continueGroup(block, line) : this.#continuePlain(block, line);
  }

  #continuePlain(block: Block, line: string): boolean {
    const rest = withoutPrefix(block.prefix, line);
    if (rest !== null && rest.trim() === "" && block.framed && block.blankLines === 0) {
      block.blankLines += 1;
      return true;
    }
    if (rest !== null && /^\s+\S/.test(rest)) {
      block.framed ||= FRAME.test(rest);
      block.blankLines = 0;
      keep(block, line);
      return true;
    }
    const isFinal = rest !== null && (block.framed ? EXCEPTION : SURE_EXCEPTION).test(rest);
    if (isFinal) {
      keep(block, line);
      block.finalLine = rest;
    }
    this.#end(block);
    return isFinal;
  }

  #continueGroup(block: Block, line: string): boolean {
    if (!GROUP_LINE.test(line)) {
      this.#end(block);
      return false;
    }
    keep(block, line);
    block.framed = true;
    const rest = withoutPrefix(`${block.prefix}| `, line);
    if (block.finalLine === null && rest !== null && EXCEPTION.test(rest)) block.finalLine = rest;
    const end = GROUP_END.exec(line);
    // A group inside this one ends deeper.
    if (end !== null && (end[1] ?? "").length <= block.prefix.length + 2) this.#end(block);
    return true;
  }

  /** A title with nothing of a traceback behind it was prose. */
  #end(block: Block): void {
    this.#block = null;
    if (!block.framed && block.finalLine === null) return;
    const { head, tail } = block.kept.ends();
    const { dropped } = block.kept;
    const text =
      dropped === 0 ? decodeUtf8(Buffer.concat([head, tail])) : joinEnds(decodeUtf8(head), decodeUtf8(tail), dropped);
    this.#onFound({ text: text.replace(/\n$/, ""), finalLine: block.finalLine });
  }
}

function keep(block: Block, line: string): void {
  block.kept.push(Buffer.from(`${line}\n`));
}

/** The line behind the prefix; null where it has another one. A blank line may lack the spaces of its prefix. */
function withoutPrefix(prefix: string, line: string): string | null {
  if (line.startsWith(prefix)) return line.slice(prefix.length);
  return line.trim() === prefix.trim() ? "" : null;
}
