// The service's log on standard error: a line of JSON each, or one for people.
import { type Entry, LEVELS, type Level, type Tell } from "../http/record.js";

export const LOG_FORMATS = ["text", "json", "off"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

const MAX_CHARS = 4000;
/** What JSON leaves as it is, and a terminal obeys. */
const HARMFUL = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export interface LogOptions {
  format: LogFormat;
  /** The lowest that is told. */
  level: Level;
  write: (text: string) => void;
  now?: () => Date;
}

export function serviceLog({ format, level, write, now = () => new Date() }: LogOptions): Tell {
  const lowest = LEVELS.indexOf(level);
  const line = format === "json" ? asJson : asText;
  return (entry) => {
    if (format === "off" || LEVELS.indexOf(entry.level) < lowest) return;
    write(`${line(entry, now().toISOString())}\n`);
  };
}

function asJson({ level, event, fields }: Entry, time: string): string {
  const given = Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? cut(value) : value]);
  return spelledOut(JSON.stringify({ time, level, event, ...Object.fromEntries(given) }));
}

/** `name=value` as many tools read it; a value with a space or anything else in it stands in quotes, so that no caller can make up a field. */
function asText({ level, event, fields }: Entry, time: string): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const pairs = given.map(([name, value]) => `${name}=${typeof value === "string" ? quoted(cut(value)) : value}`);
  return [time, level.toUpperCase().padEnd(5), event, ...pairs].join(" ");
}

const quoted = (text: string) => (/^[\w.:/@{}()+-]+$/.test(text) ? text : spelledOut(JSON.stringify(text)));

const cut = (text: string) => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text);

const spelledOut = (json: string) =>
  json.replace(HARMFUL, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
