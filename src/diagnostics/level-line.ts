// Whether a line of a log says ERROR, CRITICAL or FATAL as its *level*, the way log formats write it: first in the line, or
// behind a timestamp, a bracket or a logger's name, or as `level=` or "level": of structured logs. Prose that has the word is not.
//
// The front of the line is read from left to right as atoms (timestamps, brackets, key=value pairs, names); the first
// level found decides, and anything that no log format puts in front of a level ends the search.
import { isErrorRecord } from "./json-level.js";

/** A level stands near the front of its line. */
const MAX_FRONT = 1024;
const MAX_ATOMS = 32;
const MAX_BRACKET = 256;
const MAX_NAMES = 4;

const ERROR_LEVEL = /(?:ERROR|CRITICAL|FATAL)(?=$|[\s:\]|)>,!]|\/[\w-]+\]?(?:\s|$))(?!\s*=)/y;
const OTHER_LEVEL = /(?:TRACE|DEBUG|VERBOSE|INFO|NOTICE|SUCCESS|WARN|WARNING)(?=$|[\s:\]|)>,!]|\/[\w-]+\]?(?:\s|$))/y;
/** Lower case counts in a bracket of its own behind a timestamp, as structlog and nginx write it. */
const LEVEL_WORD = /^\s*(error|critical|fatal|(trace|debug|info|notice|success|warn|warning))\s*(?:\/[\w-]+)?\s*$/i;

const SPACE = /\s*/y;
/** What may stand between atoms. */
const BETWEEN = /[\s|,;:·–—-]*/y;
/** What sets a name or a level off from what follows. */
const SEPARATOR = /\s*[:|]|\s+[-–—]+(?=\s)/y;
/** A name is also set off by a bracket that holds nothing but the level. */
const LEVEL_BRACKET = /\s+(?=\[\s*(?:ERROR|CRITICAL|FATAL)\s*\])/y;

const DATE =
  /(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.](?:\d{1,2}|[A-Z][a-z]{2})[-/.]\d{2,4})(?:T(?=\d))?(?!\w)|(?:\d{4}-\d{2}-\d{2}|\d{8})T(?=\d)/y;
const TIME =
  /(?:\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,9})?|\d{6}(?:[.,]\d{1,9})?(?=Z|[+-]\d))(?:\s?[AP]M\b)?(?:Z\b|\s?[+-]\d{2}:?\d{2}(?!\d))?/y;
const EPOCH = /\d{10,19}(?:\.\d{1,9})?(?![\w.])/y;
const ZONE = /(?:UTC|GMT|WES?T|CES?T|EES?T|BST|IST|JST|MSK|[ECMP][SD]T)(?!\w)/y;
const WEEKDAY = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?(?=\s+[A-Z\d])/y;
const MONTH_DAY =
  /(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?\s+\d{1,2},?(?=\s)|\d{1,2}\s+(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}(?=\s)/y;

const PAIR = /([\p{L}_@][\p{L}\p{N}_.@-]{0,63})=("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']*)/uy;
const LEVEL_KEY = /^(?:log[._]?)?(?:level|levelname|lvl|severity)$/i;
const LEVEL_VALUE = /^["']?(?:error|critical|fatal)["']?[,;]?$/i;

const NUMBER = /\d+(?:\.\d+)?(?=$|[\s|:,\]-])/y;
const NAME = /[\p{L}\p{N}_$][\p{L}\p{N}_.$/@#<>-]*(?:::[\p{L}\p{N}_.$<>]+)*(?:\[\d+\]|\(\d+\))?/uy;
/** What only names in programs have: dots, digits, underscores, a capital inside, a process id. */
const CODE_LIKE = /[._\d$/@#<>[]|::|\p{Ll}\p{Lu}/u;
const DOTTED = /^\p{L}[\p{L}\p{N}_]*(?:(?:\.|::)[\p{L}_][\p{L}\p{N}_]*)+$/u;
/** Words of sentences that could be taken for a logger's name between a timestamp and ERROR. */
const PROSE = new Set(
  `a an the no not any some all each every this that these those with without zero one two first last next new old found find
  got get gets had has have was were is are be been saw see sees seen raised raising raise threw throw throws logged log logs
  logging print prints printed returned return returns caused cause causes expected unexpected ignored ignoring ignore handle
  handled handling fixed fix count total number of in on at to for from by as and or if when while after before because only
  possible potential known common more less many few mean squared relative absolute standard training test validation my your
  our his her its their`.split(/\s+/),
);

/** `line` without its end and without colour codes. */
export function isErrorLine(line: string): boolean {
  return verdict(line.slice(0, MAX_FRONT), line, false) === "error";
}

type Verdict = "error" | "other" | null;

function verdict(front: string, line: string, inBracket: boolean): Verdict {
  let at = eat(SPACE, front, 0);
  /** A level may stand here: nothing but what log formats put in front of one was read. */
  let grounded = true;
  let timed = false;
  let syslog = false;
  let bracketed = false;
  let names = 0;
  let plainNames = 0;
  /** Set where the atoms before could be prose: then the level must be set off from its message. */
  let wantSeparator = false;

  const skip = (pattern: RegExp): boolean => {
    const end = eat(pattern, front, at);
    if (end === at) return false;
    at = end;
    return true;
  };

  for (let atom = 0; atom < MAX_ATOMS && at < front.length; atom++) {
    if (atom > 0) at = eat(BETWEEN, front, at);
    const levelEnd = eat(ERROR_LEVEL, front, at);
    if (levelEnd > at) {
      if (!grounded) return null;
      return !wantSeparator || levelEnd === front.length || eat(SEPARATOR, front, levelEnd) > levelEnd ? "error" : null;
    }
    if (eat(OTHER_LEVEL, front, at) > at) return "other";

    if (front[at] === "{") {
      if (isErrorRecord(line.slice(at))) return "error";
      if (!timed) return null;
    }
    const close = inBracket ? undefined : CLOSING.get(front[at] ?? "");
    if (close !== undefined) {
      const end = front.indexOf(close, at + 1);
      if (end === -1 || end - at > MAX_BRACKET) return null;
      const found = bracketVerdict(front.slice(at + 1, end), timed);
      if (found !== null) return found;
      if (DIGITS.test(front.slice(at + 1, end))) timed ||= TIMED.test(front.slice(at + 1, end));
      at = end + 1;
      bracketed = true;
      grounded = true;
      continue;
    }
    if (skip(WEEKDAY)) continue;
    if (skip(MONTH_DAY)) {
      syslog = true;
      timed = true;
      continue;
    }
    if (skip(DATE) || skip(TIME) || skip(EPOCH)) {
      timed = true;
      grounded = true;
      continue;
    }
    if (timed && (skip(ZONE) || skip(NUMBER))) continue;

    const pair = match(PAIR, front, at);
    if (pair !== null) {
      const [whole, key = "", value = ""] = pair;
      if (LEVEL_KEY.test(key)) return LEVEL_VALUE.test(value) ? "error" : "other";
      at += whole.length;
      grounded = timed;
      continue;
    }

    const name = match(NAME, front, at)?.[0];
    if (name === undefined || ++names > MAX_NAMES) return null;
    const end = at + name.length;
    const setOff = eat(SEPARATOR, front, end) > end || eat(LEVEL_BRACKET, front, end) > end;
    const bar = /^\s*\|/.test(front.slice(end, end + 64));
    if (CODE_LIKE.test(name)) {
      if (!timed && !bracketed && !setOff && !DOTTED.test(name)) return null;
      // `file.py:3: ERROR` without a time is as likely a message as a logger.
      wantSeparator ||= !timed && !bracketed && !bar;
    } else if (timed) {
      plainNames += 1;
      if (plainNames > 2 || (!setOff && plainNames > 1)) return null;
      if (!setOff && !syslog && PROSE.has(name.toLowerCase())) return null;
      wantSeparator ||= plainNames > 1 && !syslog;
    } else {
      if (!setOff || PROSE.has(name.toLowerCase())) return null;
      wantSeparator ||= !bar;
    }
    at = end;
    grounded = true;
  }
  return null;
}

const CLOSING = new Map([
  ["[", "]"],
  ["(", ")"],
  ["<", ">"],
  ["{", "}"],
]);
const DIGITS = /\d/;
/** A clock or a date somewhere in a bracket, or seconds since boot. */
const TIMED = /\d:\d{2}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\s*\d+\.\d+\s*$/;

/** A bracket that holds a level alone, or begins as a log line does (`[2024-01-01 10:00:00,123: ERROR/Main]`). */
function bracketVerdict(inner: string, timed: boolean): Verdict {
  const word = LEVEL_WORD.exec(inner);
  if (word !== null && (timed || inner.trim() === inner.trim().toUpperCase() || /^[A-Z]+\s*\//.test(inner.trim()))) {
    return word[2] === undefined ? "error" : "other";
  }
  return verdict(`${inner}]`, `${inner}]`, true);
}

function eat(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
