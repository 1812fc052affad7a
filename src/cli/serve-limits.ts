// The flags of `serve` that bound what each user and all of them may have.
import { Admission, queueLimits } from "../harness/admission.js";
import { IsoError } from "../model/errors.js";
import { parseSize } from "../settings/profiles.js";

export interface LimitFlags {
  concurrency?: string;
  concurrencyPerUser?: string;
  queue?: string;
  queuePerUser?: string;
  rate?: string;
  storage?: string;
}

const MAX_AT_ONCE = 1024;
const MAX_QUEUED = 100_000;
const MAX_RATE = 1_000_000;
const UNIT_MS = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** Throws IsoError `invalid_request` that names the flag. */
export function admissionOf(flags: LimitFlags): Admission {
  const { concurrency, concurrencyPerUser, queue, queuePerUser, rate } = flags;
  const given = {
    atOnce: optional("--concurrency", concurrency, 1, MAX_AT_ONCE),
    perUser: optional("--concurrency-per-user", concurrencyPerUser, 1, MAX_AT_ONCE),
    queued: optional("--queue", queue, 0, MAX_QUEUED),
    queuedPerUser: optional("--queue-per-user", queuePerUser, 0, MAX_QUEUED),
  };
  return new Admission({ queue: queueLimits(given), rate: rateOf(rate) });
}

export function storageOf({ storage }: LimitFlags): number | null {
  if (storage === undefined) return null;
  const bytes = parseSize(storage);
  if (bytes !== null && Number.isSafeInteger(bytes)) return bytes;
  throw usage("--storage", `"${storage.slice(0, 100)}" must be a number of bytes, or a text like 2GiB`);
}

export function whole(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const bounds = min === 0 ? `up to ${max}` : `from ${min} to ${max}`;
  throw usage(flag, `"${text.slice(0, 100)}" must be a whole number ${bounds}`);
}

function optional(flag: string, text: string | undefined, min: number, max: number): number | undefined {
  return text === undefined ? undefined : whole(flag, text, min, max);
}

function rateOf(text: string | undefined): { count: number; perMs: number } | null {
  if (text === undefined) return null;
  const [, digits, unit = ""] = /^(\d{1,7})\/([smh])$/.exec(text) ?? [];
  const [count, perMs] = [Number(digits), UNIT_MS.get(unit)];
  if (perMs !== undefined && count >= 1 && count <= MAX_RATE) return { count, perMs };
  throw usage("--rate", `"${text.slice(0, 100)}" must be runs by a unit of time, as 10/s, 60/m or 1000/h`);
}

const usage = (flag: string, what: string): IsoError =>
  new IsoError("invalid_request", `${flag}: ${what}`, { field: flag });
