// One text for one value: members sorted by their UTF-16 units, no spaces, strings and numbers as JSON.stringify writes them.
// What receipts hash and sign; docs/receipts.md promises it to others.

/** Member names as they are written: a receipt has the same two hundred each time. Bounded, as a program's names are among them. */
const written = new Map<string, string>();
const MAX_NAMES = 1000;

export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return Array.isArray(value) ? list(value) : members({ ...value });
}

function list(items: readonly unknown[]): string {
  let text = "";
  for (const item of items) text += text === "" ? canonicalJson(item) : `,${canonicalJson(item)}`;
  return `[${text}]`;
}

function members(object: Readonly<Record<string, unknown>>): string {
  let text = "";
  for (const name of Object.keys(object).sort()) {
    const member = object[name];
    if (member === undefined) continue;
    text += text === "" ? `${nameOf(name)}:${canonicalJson(member)}` : `,${nameOf(name)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

function nameOf(name: string): string {
  let text = written.get(name);
  if (text !== undefined) return text;
  text = JSON.stringify(name);
  if (written.size < MAX_NAMES && name.length < 64) written.set(name, text);
  return text;
}
