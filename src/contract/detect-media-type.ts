// The media type of a file by its content: magic bytes first; what is UTF-8 without NUL is text, and its name says which text.
import mime from "mime";

const UNKNOWN_BINARY = "application/octet-stream";

/** Bytes in which a signature must stand. Containers may keep theirs further behind: see `byContainer`. */
const HEAD_BYTES = 1024 * 1024;

/** Types of text that signatures name; any other signature found in text is an accident ("BM", "MZ" begin words too). */
const TEXT_SIGNATURE =
  /^(?:text\/.*|application\/(?:pdf|rtf|postscript|eps|xml|pgp-encrypted|pgp-signature|.*\+xml|.*\+json)|image\/(?:svg\+xml|x-portable-.*))$/;
/** Types of text that a file's name may tell. */
const TEXT_NAME =
  /^(?:text\/.*|application\/(?:json|json5|jsonl|x-ndjson|ndjson|xml|javascript|ecmascript|yaml|toml|sql|graphql|rtf|x-sh|x-httpd-php|x-tex|x-latex|x-ipynb\+json|geo\+json|.*\+json|.*\+xml|xml-dtd|manifest\+json|x-subrip|x-yaml)|image\/svg\+xml|model\/(?:obj|mtl|gltf\+json))$/;
/** Types whose files are containers of another type that the signature of the container cannot tell in all cases. */
const IN_ZIP =
  /^application\/(?:vnd\.openxmlformats-officedocument\..*|vnd\.oasis\.opendocument\..*|epub\+zip|java-archive|vnd\.android\.package-archive)$/;
const IN_CFB = /^application\/(?:msword|vnd\.ms-(?:excel|powerpoint|outlook)|x-msi|vnd\.visio)$/;
/** Types by extension that the `mime` tables lack. */
const MORE_NAMES = new Map([
  ["ndjson", "application/x-ndjson"],
  ["jsonl", "application/x-ndjson"],
  ["ipynb", "application/x-ipynb+json"],
  ["py", "text/x-python"],
  ["toml", "application/toml"],
  ["tsv", "text/tab-separated-values"],
]);

/** What the question needs of a file. */
interface Content {
  readonly bytes: number;
  head(maxBytes: number): Promise<Buffer>;
  chunks(): AsyncIterable<Buffer>;
}

/** What the bytes alone tell: the same for every name of a file. */
export interface Sniffed {
  signature: string | undefined;
  isText: boolean;
  /** True where the signature comes from the file's beginning only. */
  isCut: boolean;
}

export async function sniff(file: Content): Promise<Sniffed> {
  const head = await file.head(HEAD_BYTES);
  const signature = head.length === 0 || isUtf16(head) ? undefined : await signatureOf(head);
  return { signature, isText: await isText(file), isCut: file.bytes > head.length };
}

async function signatureOf(head: Buffer): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import("file-type");
  return (await fileTypeFromBuffer(head))?.mime;
}

/** By its byte order mark, which the signature tables take for a frame of MPEG audio. */
function isUtf16(head: Buffer): boolean {
  return (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
}

export function mediaTypeOf({ signature, isText, isCut }: Sniffed, path: string): string {
  const named = mediaTypeOfName(path);
  if (isText) {
    const isXml = signature === "application/xml" && named?.endsWith("+xml");
    if (signature !== undefined && TEXT_SIGNATURE.test(signature) && !isXml) return withoutParameters(signature);
    return named !== null && TEXT_NAME.test(named) ? named : "text/plain";
  }
  if (signature === undefined) return UNKNOWN_BINARY;
  return byContainer(withoutParameters(signature), named, isCut);
}

export function mediaTypeOfName(path: string): string | null {
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase();
  if (extension === undefined) return null;
  return MORE_NAMES.get(extension) ?? mime.getType(extension);
}

function byContainer(signature: string, named: string | null, isCut: boolean): string {
  if (named === null) return signature;
  if (signature === "application/zip" && isCut && IN_ZIP.test(named)) return named;
  if (signature === "application/x-cfb" && IN_CFB.test(named)) return named;
  return signature;
}

function withoutParameters(type: string): string {
  return (type.split(";")[0] ?? type).trim();
}

/** UTF-8 without NUL, to the last byte. Binary files are found out by their first chunk, files with holes by the hole. */
async function isText(file: Content): Promise<boolean> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of file.chunks()) {
      if (chunk.includes(0)) return false;
      decoder.decode(chunk, { stream: true });
    }
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
