// `iso-runtime receipts`: is the journal whole, where does it end, what does it say of a run, and a key to sign it with.
import { journalHead, makeKey, receiptsOf, type VerifyReport, verifyJournal } from "../harness/receipts.js";
import { IsoError } from "../model/errors.js";
import { writeOut } from "./documents.js";
import { readText } from "./flags.js";
import { oneLine } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

interface JsonFlag {
  json?: boolean;
}

export interface VerifyFlags extends JsonFlag {
  publicKey?: string;
  signedFrom?: string;
  head?: string;
  since?: string;
}

interface Head {
  seq: number;
  hash: string;
}

const HEAD = /^(\d{1,15}):([0-9a-f]{64})$/;
const MAX_SHOWN = 20;

/** 0 when the journal is whole, else 1. */
export async function verifyCommand(file: string | undefined, flags: VerifyFlags): Promise<number> {
  const found = await orFault(flags.json, async () => {
    if (file === "") throw usage("FILE: it must not be empty", "FILE");
    const { publicKey } = flags;
    const pem = publicKey === undefined ? null : readText(publicKey, "--public-key");
    return await verifyJournal({
      file: file ?? null,
      publicKey: pem === null ? null : { pem, source: `--public-key: "${publicKey}"` },
      ...{ heads: readHeads(flags), signedFrom: readSeq(flags.signedFrom) },
    });
  });
  await writeOut(
    flags.json
      ? `${JSON.stringify({ ok: found.whole, ...found })}\n`
      : renderVerify(found, styleFor(process.stdout, true)),
  );
  return found.whole ? 0 : 1;
}

export async function headCommand({ json }: JsonFlag): Promise<number> {
  const { seq, hash } = await orFault(json, async () => journalHead());
  await writeOut(json ? `${JSON.stringify({ ok: true, seq, hash })}\n` : `${seq}:${hash}\n`);
  return 0;
}

/** 0 when the run has a receipt, else 1. */
export async function showCommand(runId: string, { json }: JsonFlag): Promise<number> {
  const found = await orFault(json, () => receiptsOf(runId));
  await writeOut(
    json
      ? `${JSON.stringify({ ok: found.length > 0, receipts: found })}\n`
      : found.map((line) => `${JSON.stringify(line, null, 2)}\n`).join(""),
  );
  if (found.length > 0) return 0;
  if (!json) process.stderr.write(`iso-runtime: no receipt is of the run ${oneLine(runId, 100)}\n`);
  return 1;
}

/** The public key alone on stdout, so that it can be put into a file. */
export async function keygenCommand({ json }: JsonFlag): Promise<number> {
  const made = await orFault(json, () => makeKey());
  await writeOut(json ? `${JSON.stringify({ ok: true, ...made })}\n` : made.publicKey);
  if (!json) {
    process.stderr.write(
      `The key ${made.keyId} in ${oneLine(made.file, 1000)} signs from receipt ${made.signsFrom} on. Keep the public key above elsewhere, and the number, to verify with --signed-from ${made.signsFrom}.\n`,
    );
  }
  return 0;
}

function readSeq(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw usage(`--signed-from: "${text.slice(0, 100)}" is no receipt's number, as keygen prints it`, "--signed-from");
}

function readHeads({ head, since }: VerifyFlags): Head[] {
  const lines = since === undefined ? [] : readText(since, "--since").split(/\r?\n/).filter(Boolean);
  if (since !== undefined && lines.length === 0) throw usage(`--since: "${since}" has no head in it`, "--since");
  return [...lines.map((line) => readHead(line, "--since")), ...(head === undefined ? [] : [readHead(head, "--head")])];
}

function readHead(text: string, flag: string): Head {
  const [, seq, hash] = HEAD.exec(text) ?? [];
  if (seq !== undefined && hash !== undefined) return { seq: Number(seq), hash };
  throw usage(`${flag}: "${text.slice(0, 100)}" must be SEQ:HASH, as \`iso-runtime receipts head\` prints it`, flag);
}

function renderVerify(found: VerifyReport, style: Style): string {
  const { whole, lines, ended, head, problems, problemCount, cuts, open, underWay } = found;
  const size = `${lines} lines, runs that ended: ${ended}`;
  const verdict = whole
    ? `${style.green("✓")} ${style.bold("whole")}: ${size}, head ${head.seq}:${head.hash}`
    : `${style.red("✗")} ${style.bold("not whole")}: ${size}`;
  const runs = (list: typeof open) =>
    shown(
      list.map(
        ({ seq, runId, userId, at }) => `receipt ${seq}: run ${oneLine(runId)} of ${oneLine(userId)}, ${oneLine(at)}`,
      ),
      list.length,
    );
  return [
    verdict,
    `  ${oneLine(found.file, 1000)}`,
    ...shown(
      problems.map(({ line, message }) =>
        style.red(`${line === null ? "" : `line ${line}: `}${oneLine(message, 500)}`),
      ),
      problemCount,
    ),
    ...sayList(
      "a line that was never finished was cut before:",
      cuts.map(({ line, bytes }) => `line ${line}, ${bytes} bytes`),
    ),
    ...(open.length > 0 ? ["  began and has no ending here, as its process died:", ...runs(open)] : []),
    ...(underWay.length > 0 ? ["  under way:", ...runs(underWay)] : []),
    `  ${saySignatures(found)}`,
    "",
  ].join("\n");
}

function saySignatures({ signatures: { checked, signed, unsigned, keys } }: VerifyReport): string {
  if (signed === 0) return "no line is signed";
  const by = `signed by ${keys.map((key) => oneLine(key, 64)).join(", ")}`;
  if (!checked) return `${signed} lines ${by}, not checked: give --public-key FILE`;
  const before = unsigned > 0 ? `; the ${unsigned} before are vouched for by the chain` : "";
  return `${signed} lines ${by}${before}`;
}

function sayList(title: string, list: string[]): string[] {
  return list.length === 0 ? [] : [`  ${title}`, ...shown(list, list.length)];
}

function shown(list: string[], total: number): string[] {
  const kept = list.slice(0, MAX_SHOWN).map((text) => `    ${text}`);
  return total > kept.length ? [...kept, `    … and ${total - kept.length} more`] : kept;
}

function usage(message: string, field: string): IsoError {
  return new IsoError("invalid_request", message, { field });
}
