// How else a secret is written by what programs commonly use to write one: into JSON, as a text of Python's, into an address.

/** Beside the secret itself. */
export function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const address = percentEncoded(secret);
  // Python's quote, for all but slashes and for those too, and what forms of a page send.
  const strict = address.replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  return [
    ...[json, json.replace(/[^ -~]/g, (unit) => `\\u${hex(unit.charCodeAt(0), 4)}`)],
    ...[address, strict, strict.replaceAll("%2F", "/"), strict.replaceAll("%20", "+")],
    ...[pythonText(secret), pythonText(secret).replace(/[^ -~]/gu, escaped)],
  ];
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** As `repr` has it, between its quotes. */
function pythonText(text: string): string {
  const short = text.replace(/[\n\r\t\\]/g, (letter) => SHORT[letter] ?? letter);
  const quoted = text.includes("'") && text.includes('"') ? short.replaceAll("'", "\\'") : short;
  return quoted.replace(/\p{Cc}/gu, escaped);
}

function escaped(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function percentEncoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text;
  }
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, "0");
