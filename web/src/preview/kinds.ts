// What a file is shown as. Its first bytes decide about pictures, never its name or what the service says of it: a program made it.

export type Picture = "image/png" | "image/jpeg" | "image/gif" | "image/webp";
export type Kind =
  | { kind: "picture"; type: Picture; width: number; height: number }
  | { kind: "csv" | "json" | "text" | "binary" };

/** A small file may ask for a picture of gigabytes. */
export const MOST_PIXELS = 40_000_000;

export function kindOf(bytes: Uint8Array, path: string): Kind {
  const picture = pictureOf(bytes);
  if (picture !== null && picture.width * picture.height <= MOST_PIXELS && picture.width * picture.height > 0) {
    return { kind: "picture", ...picture };
  }
  if (!isText(bytes)) return { kind: "binary" };
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === "csv" || ending === "tsv") return { kind: "csv" };
  if (ending === "json" || ending === "ipynb" || ending === "geojson") return { kind: "json" };
  return { kind: "text" };
}

export function pictureOf(bytes: Uint8Array): { type: Picture; width: number; height: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (starts(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) && bytes.length >= 24) {
    return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (starts(bytes, [0x47, 0x49, 0x46, 0x38]) && bytes.length >= 10) {
    return { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (starts(bytes, [0xff, 0xd8, 0xff])) return jpegOf(view);
  if (starts(bytes, [0x52, 0x49, 0x46, 0x46]) && bytes.length >= 30 && letters(bytes, 8, 4) === "WEBP")
    return webpOf(view, bytes);
  return null;
}

function jpegOf(view: DataView): { type: Picture; width: number; height: number } | null {
  for (let at = 2; at + 9 < view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
  return null;
}

function webpOf(view: DataView, bytes: Uint8Array): { type: Picture; width: number; height: number } | null {
  const type = "image/webp";
  const three = (at: number) => view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
  switch (letters(bytes, 12, 4)) {
    case "VP8X":
      return { type, width: three(24) + 1, height: three(27) + 1 };
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { type, width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
    }
    case "VP8 ":
      return { type, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    default:
      return null;
  }
}

const starts = (bytes: Uint8Array, with_: number[]): boolean => with_.every((byte, index) => bytes[index] === byte);
const letters = (bytes: Uint8Array, at: number, count: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + count));

const LOOKED_AT = 8192;

/** UTF-8 without what no text has. A last character that is cut is none's fault. */
export function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, LOOKED_AT);
  if (
    start.some(
      (byte) => byte === 0 || (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 12 && byte !== 27),
    )
  )
    return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}
