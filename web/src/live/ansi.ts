// Colours that a program wrote into its text, as pieces with a style: no piece ever becomes HTML, and no link is made. Whatever else a
// program tells a terminal to do is left out.

export interface Style {
  /** 0–15 of the terminal's colours, or "#rrggbb". */
  fg?: number | string;
  bg?: number | string;
  bold?: true;
  faint?: true;
  italic?: true;
  underline?: true;
  strike?: true;
  inverse?: true;
}

export interface Piece {
  text: string;
  style: Style;
}

export const PLAIN: Style = Object.freeze({});
const ESCAPE = "\x1b";
/** Commands of a terminal: those with parameters, those that set a title or a link, and those of two characters. */
const COMMAND =
  /\x1b(?:\[([0-9:;<=>?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[ -/]*[0-~]|$)/g;
const UNFINISHED = /\x1b(?:\[[0-9:;<=>?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)?$/;
/** What is no text and no tab. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** Marks that turn the direction of text around would make it read as what it is not. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** The pieces of a line, and the style in which the next one begins. */
export function pieces(text: string, from: Style = PLAIN): { pieces: Piece[]; style: Style } {
  if (!text.includes(ESCAPE)) return { pieces: text === "" ? [] : [{ text: visible(text), style: from }], style: from };
  const found: Piece[] = [];
  let style = from;
  let at = 0;
  const add = (end: number) => {
    const shown = visible(text.slice(at, end));
    if (shown !== "") found.push({ text: shown, style });
  };
  for (const match of text.matchAll(COMMAND)) {
    add(match.index);
    if (match[2] === "m") style = withCodes(style, match[1] ?? "");
    at = match.index + match[0].length;
  }
  add(text.length);
  return { pieces: found, style };
}

/** The text alone. */
export const plain = (text: string): string => visible(text.includes(ESCAPE) ? text.replace(COMMAND, "") : text);

/** How much of the end is a command whose rest has not come yet. */
export const unfinished = (text: string): number => UNFINISHED.exec(text.slice(-256))?.[0].length ?? 0;

const visible = (text: string): string => text.replace(CONTROLS, "").replace(TURNS, "\ufffd");

function withCodes(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/, 64).map(Number);
  let style: Style = { ...before };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const [colour, used] = longColour(codes, at + 1);
      at += used;
      if (colour !== null) style = { ...style, [code === 38 ? "fg" : "bg"]: colour };
    } else style = withCode(style, code);
  }
  return style;
}

const ON: Record<number, Style> = {
  ...{ 1: { bold: true }, 2: { faint: true }, 3: { italic: true }, 4: { underline: true } },
  ...{ 7: { inverse: true }, 9: { strike: true } },
};
const OFF: Record<number, (keyof Style)[]> = {
  ...{ 22: ["bold", "faint"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] },
  ...{ 39: ["fg"], 49: ["bg"] },
};

function withCode(style: Style, code: number): Style {
  if (code === 0 || Number.isNaN(code)) return PLAIN;
  const off = OFF[code];
  if (off !== undefined) {
    const rest = { ...style };
    for (const name of off) delete rest[name];
    return rest;
  }
  if (code >= 30 && code <= 37) return { ...style, fg: code - 30 };
  if (code >= 40 && code <= 47) return { ...style, bg: code - 40 };
  if (code >= 90 && code <= 97) return { ...style, fg: code - 82 };
  if (code >= 100 && code <= 107) return { ...style, bg: code - 92 };
  return { ...style, ...ON[code] };
}

/** `5;N` of the palette, or `2;R;G;B`; and how many codes that were. */
function longColour(codes: number[], at: number): [number | string | null, number] {
  if (codes[at] === 5) return [ofPalette(codes[at + 1] ?? 0), 2];
  if (codes[at] === 2) return [hex(codes.slice(at + 1, at + 4)), 4];
  return [null, 0];
}

function ofPalette(index: number): number | string | null {
  if (!(index >= 0 && index <= 255)) return null;
  if (index < 16) return index;
  if (index >= 232) return hex([8 + (index - 232) * 10, 8 + (index - 232) * 10, 8 + (index - 232) * 10]);
  const rest = index - 16;
  const step = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  return hex([step(Math.floor(rest / 36)), step(Math.floor(rest / 6) % 6), step(rest % 6)]);
}

function hex(parts: number[]): string | null {
  if (parts.length !== 3 || parts.some((part) => !(part >= 0 && part <= 255))) return null;
  return `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
