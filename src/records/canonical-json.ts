// One text for one value: members sorted by their UTF-16 units, no spaces, strings and numbers as JSON.stringify writes them.
// What receipts hash and sign; docs/receipts.md promises it to others.

export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = new Map<string, unknown>(Object.entries(value).filter(([, member]) => member !== undefined));
  const names = [...members.keys()].sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(members.get(name))}`).join(",")}}`;
}
