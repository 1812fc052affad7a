// `iso-runtime receipts …`: whether the journal is what was written, its head, a key to sign it.
import { makeReceiptsKey, type Place, type Verified, verifyJournal } from "../harness/receipts.js";
import { IsoError } from "../model/errors.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

export interface ReceiptsFlags {
  json?: boolean;
}

export interface VerifyFlags extends ReceiptsFlags {
  head?: string;
  publicKey?: string;
  signedFrom?: string;
}

const HEAD = /^([1-9]\d{0,14}):([0-9a-f]{64})$/;

/** 0 where the journal is whole, else 1. */
export async function verifyCommand(flags: VerifyFlags): Promise<number> {
  const found = await orFault(flags.json, async () => {
    const { publicKey } = flags;
    if (publicKey === "") throw mistake("--public-key: it must not be empty", "Name the file that keygen printed.");
    return await verifyJournal({
      ...{ head: parseHead(flags.head), signedFrom: parseSeq(flags.signedFrom), publicKey: publicKey ?? null },
    });
  });
  if (flags.json) await writeOut(`${JSON.stringify({ ok: found.whole, ...found })}\n`);
  else await writeOut(renderVerified(found, styleFor(process.stdout, true)));
  return found.whole ? 0 : 1;
}

export async function headCommand({ json }: ReceiptsFlags): Promise<void> {
  const { head, file } = await orFault(json, async () => {
    const found = await verifyJournal({ head: null, publicKey: null, signedFrom: null });
    if (found.head === null) {
      const error = found.whole ? "There are no receipts yet" : "The journal holds no receipt that can be read";
      throw mistake(`${error}: ${found.file}`, "Every run that starts writes one.");
    }
    return { head: found.head, file: found.file };
  });
  await writeOut(json ? `${JSON.stringify({ ok: true, file, ...head })}\n` : `${head.seq}:${head.hash}\n`);
}

export async function keygenCommand({ json }: ReceiptsFlags): Promise<void> {
  const made = await orFault(json, makeReceiptsKey);
  if (json) await writeOut(`${JSON.stringify({ ok: true, ...made })}\n`);
  else {
    const told = `key ${made.id} in ${made.file} signs from receipt ${made.signsFrom} on. Keep elsewhere, to verify with`;
    await writeOut(`${made.publicKey}`);
    process.stderr.write(`${oneLine(told, 5000)} --signed-from ${made.signsFrom}: the public key above.\n`);
  }
}

function renderVerified(found: Verified & { file: string; publicKey: string | null }, style: Style): string {
  const { whole, receipts, signed, head, faults, totalFaults, unfinishedBytes, healed, file, publicKey } = found;
  const checked =
    publicKey === null ? "no public key to check signatures with" : `signatures checked with ${publicKey}`;
  const lines = [
    `${whole ? style.green("✓ whole") : style.red("✗ not whole")}  ${receipts} receipts in ${oneLine(file, 5000)}`,
    ...(signed > 0 ? [style.dim(`${signed} signed; ${oneLine(checked, 5000)}`)] : []),
    ...faults.map(
      ({ line, message }) => `  ${style.red("✗")} ${line === 0 ? "" : `line ${line}: `}${oneLine(message, 500)}`,
    ),
    ...(totalFaults > faults.length ? [`  … and ${totalFaults - faults.length} more`] : []),
    ...(unfinishedBytes > 0
      ? [
          `  ${style.yellow("!")} the last line is unfinished, ${unfinishedBytes} bytes: a process died while it wrote them`,
        ]
      : []),
    ...healed.map((seq) => `  ${style.yellow("!")} before receipt ${seq} an unfinished line was removed`),
    ...(head ? [`head  ${head.seq}:${head.hash}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function parseHead(text: string | undefined): Place | null {
  if (text === undefined) return null;
  const [, seq, hash] = HEAD.exec(text) ?? [];
  if (seq !== undefined && hash !== undefined) return { seq: Number(seq), hash };
  throw mistake(
    `--head: "${text.slice(0, 100)}" is no head of a journal`,
    "It looks like 42:9f86d081…, as `iso-runtime receipts head` prints it.",
  );
}

function parseSeq(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw mistake(
    `--signed-from: "${text.slice(0, 100)}" is no receipt's number`,
    "It is the number that keygen printed, from 1.",
  );
}

const mistake = (message: string, hint: string): IsoError => new IsoError("invalid_request", message, { hint });
