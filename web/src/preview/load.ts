// The start of a file, as much as is shown of one.
import { ask } from "../api/http.js";

export const MOST_TEXT_BYTES = 1024 * 1024;
export const MOST_PICTURE_BYTES = 20 * 1024 * 1024;

export interface Part {
  bytes: Uint8Array<ArrayBuffer>;
  /** Of the whole file. */
  total: number;
}

/** `address` without its query; the file's first bytes, `most` of them. */
export async function loadPart(address: string, most: number, signal?: AbortSignal): Promise<Part> {
  const response = await ask(address, { headers: { Range: `bytes=0-${most - 1}` }, signal }).catch((error) => {
    // An empty file has no range at all.
    if (error?.status === 416) return null;
    throw error;
  });
  if (response === null) return { bytes: new Uint8Array(0), total: 0 };
  const bytes = new Uint8Array(await response.arrayBuffer());
  const total = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1];
  return { bytes: bytes.subarray(0, most), total: total === undefined ? bytes.length : Number(total) };
}

export const asText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Saves a file as the browser does, without an address that others could open. */
export async function download(address: string, name: string): Promise<void> {
  const blob = await (await ask(address)).blob();
  const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
