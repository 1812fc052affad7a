// `iso-runtime keys`: makes, lists and revokes the keys by which the service tells its callers apart.
import { type ApiKey, listApiKeys, makeApiKey, revokeApiKey } from "../harness/api-keys.js";
import { IsoError } from "../model/errors.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";
import { orFault } from "./usage-error.js";

interface JsonFlag {
  json?: boolean;
}

export interface CreateFlags extends JsonFlag {
  user?: string;
  anyUser?: boolean;
  readOnly?: boolean;
  label: string;
  expires?: string;
}

const MAX_LABEL_CHARS = 100;
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The key alone on stdout, so that it can be put into a file. */
export async function createCommand(flags: CreateFlags): Promise<number> {
  const { key, made } = await orFault(flags.json, async () => {
    const { user = null, anyUser = false, readOnly = false, label } = flags;
    if ((user === null) === !anyUser) throw usage("Give either --user or --any-user", "--user");
    if (label.length > MAX_LABEL_CHARS)
      throw usage(`--label: it has more than ${MAX_LABEL_CHARS} characters`, "--label");
    return makeApiKey({ user, readOnly, label, expiresAt: readExpiry(flags.expires, Date.now()) });
  });
  await writeOut(flags.json ? `${JSON.stringify({ ok: true, key, ...made })}\n` : `${key}\n`);
  if (!flags.json) {
    process.stderr.write(`The key ${made.id} ${sayWhat(made)}. It is not shown again: keep what is printed above.\n`);
  }
  return 0;
}

export async function listCommand({ json }: JsonFlag): Promise<number> {
  const keys = await orFault(json, async () => listApiKeys());
  const lines = keys.map((key) => `${key.id}  ${sayWhat(key)}; ${sayWhen(key)}${sayLabel(key)}\n`);
  await writeOut(json ? `${JSON.stringify({ ok: true, keys })}\n` : lines.join(""));
  if (!json && keys.length === 0) process.stderr.write("There are no keys. `iso-runtime keys create` makes one.\n");
  return 0;
}

export async function revokeCommand(given: string, { json }: JsonFlag): Promise<number> {
  const id = await orFault(json, async () => revokeApiKey(given));
  await writeOut(json ? `${JSON.stringify({ ok: true, id })}\n` : "");
  if (!json) process.stderr.write(`The key ${id} is revoked.\n`);
  return 0;
}

/** An instant to come, from a span or a date; null for never. */
export function readExpiry(text: string | undefined, now: number): string | null {
  if (text === undefined) return null;
  const [, digits, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const at = unit === undefined ? (isDate ? Date.parse(text) : Number.NaN) : now + Number(digits) * msOf(unit);
  if (at > now) return new Date(at).toISOString();
  throw usage(`--expires: "${text.slice(0, 100)}" must be to come: as 12h, 90d or 2030-01-31`, "--expires");
}

const msOf = (unit: string): number => (unit === "m" || unit === "h" || unit === "d" ? UNIT_MS[unit] : Number.NaN);

function sayWhat({ user, readOnly }: ApiKey): string {
  return `${readOnly ? "reads" : "acts"} for ${user === null ? "any user" : oneLine(user, 200)}`;
}

function sayWhen({ createdAt, expiresAt, lastUsedAt }: ApiKey): string {
  return [
    `made ${createdAt}`,
    lastUsedAt === null ? "never used" : `last used ${lastUsedAt}`,
    ...(expiresAt === null ? [] : [`${Date.parse(expiresAt) > Date.now() ? "expires" : "expired"} ${expiresAt}`]),
  ].join(", ");
}

const sayLabel = ({ label }: ApiKey): string => (label === "" ? "" : `; ${oneLine(label, 200)}`);

function usage(message: string, field: string): IsoError {
  return new IsoError("invalid_request", message, { field });
}
