// Whatever is done to a journal of receipts is found; what only a kept head or a key can find is found with it, and proven to need it.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/records/canonical-json.js";
import { readHead } from "../../src/records/journal.js";
import { GENESIS, type Link, readLine, sealLine, sha256 } from "../../src/records/receipt-line.js";
import { makeSigningKey, readPublicKeys, readSigningKey } from "../../src/records/signing-key.js";
import { type JournalReport, type VerifyOptions, verifyReceipts } from "../../src/records/verify-receipts.js";
import { count } from "../support/soak.js";
import { suiteDir } from "../support/temp.js";
import { factsOf, openReceipts, resultOf } from "./bed.js";

const dir = suiteDir();
const NOTHING: VerifyOptions = { publicKeys: null, signedFrom: null, heads: [], rootId: null };
const RUNS = 4;

interface Sample {
  bytes: Buffer;
  lines: string[];
  heads: Link[];
  publicKey: string;
}

let plain: Sample;
let signed: Sample;
let other: Sample;

async function makeJournal(name: string, isSigned: boolean): Promise<Sample> {
  const root = join(dir, name);
  const { receipts, store, file } = await openReceipts(root);
  const key = isSigned ? makeSigningKey(join(store.stateDir, "keys/receipts.pem")) : null;
  const heads: Link[] = [];
  for (let run = 0; run < RUNS; run++) {
    const facts = factsOf(`${name}-${run}`);
    heads.push(await receipts.began(facts));
    heads.push(await receipts.ended(facts, resultOf(facts.run.runId), heads.at(-1) ?? null));
  }
  await store.close();
  const bytes = readFileSync(file);
  expect(readHead(file)).toEqual(heads.at(-1));
  return { bytes, heads, lines: bytes.toString().trimEnd().split("\n"), publicKey: key?.publicKey ?? "" };
}

beforeAll(async () => {
  [plain, signed, other] = await Promise.all([
    makeJournal("plain", false),
    makeJournal("signed", true),
    makeJournal("other", false),
  ]);
});

let files = 0;
async function check(content: Buffer | string[], options: Partial<VerifyOptions> = {}): Promise<JournalReport> {
  const file = join(dir, `journal-${files++}`);
  writeFileSync(file, Array.isArray(content) ? content.map((line) => `${line}\n`).join("") : content);
  return await verifyReceipts(file, { ...NOTHING, ...options });
}

const keys = () => readPublicKeys(signed.publicKey, "the test's");
const last = ({ heads }: Sample): Link => heads.at(-1) ?? GENESIS;
const says = ({ problems }: JournalReport): string =>
  problems.map(({ line, message }) => `${line}: ${message}`).join("\n");

describe("a journal as it was written", () => {
  it("is whole", async () => {
    for (const sample of [plain, signed]) {
      const found = await check(sample.bytes, { heads: sample.heads });
      expect(says(found)).toBe("");
      expect(found).toMatchObject({
        whole: true,
        lines: 2 * RUNS,
        ended: RUNS,
        head: last(sample),
        open: [],
        cuts: [],
      });
    }
    const found = await check(signed.bytes, { publicKeys: keys() });
    expect(found).toMatchObject({ whole: true, signatures: { checked: true, signed: 2 * RUNS, unsigned: 0 } });
  });

  it("lists runs that began and have no ending", async () => {
    const found = await check(plain.lines.slice(0, -1));
    expect(found).toMatchObject({ whole: true, open: [{ seq: 2 * RUNS - 1, runId: `plain-${RUNS - 1}` }] });
  });

  it("is told apart from one that is not there", async () => {
    const found = await verifyReceipts(join(dir, "absent"), NOTHING);
    expect(found).toMatchObject({ whole: false, lines: 0, head: GENESIS });
    expect(says(found)).toContain("there is no journal");
  });
});

describe("tampering", () => {
  it("any other byte anywhere is found", { timeout: 600_000 }, async () => {
    const place = fc.integer({ min: 0, max: plain.bytes.length - 1 });
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (at, difference) => {
        const bytes = Buffer.from(plain.bytes);
        bytes[at] = ((bytes[at] ?? 0) + difference) % 256;
        expect((await check(bytes)).whole).toBe(false);
      }),
      { numRuns: count(400, 20_000), examples: [[plain.bytes.length - 1, 1]] },
    );
  });

  it("a changed line is named, and only that one", async () => {
    const lines = [...plain.lines];
    lines[3] = lines[3]?.replace('"kind":"ended"', '"kind":"began"') ?? "";
    expect(says(await check(lines))).toMatch(/^4: it was changed/);
    expect((await check(lines)).problemCount).toBe(1);
  });

  it.each([
    ["one removed", (lines: string[]) => lines.toSpliced(2, 1), /^3: receipt 3 is missing before receipt 4$/],
    [
      "several removed",
      (lines: string[]) => lines.toSpliced(2, 3),
      /^3: receipts 3 to 5 are missing before receipt 6$/,
    ],
    ["the first removed", (lines: string[]) => lines.slice(1), /^1: receipt 1 is missing before receipt 2$/],
    ["one twice", (lines: string[]) => lines.toSpliced(3, 0, lines[2] ?? ""), /^4: receipt 3 stands behind receipt 3/],
    ["an empty one", (lines: string[]) => lines.toSpliced(3, 0, ""), /^4: it does not end in the hash/],
  ])("%s", async (_, change, expected) => {
    expect(says(await check(change(plain.lines)))).toMatch(expected);
  });

  it("lines removed, repeated, or in any other order are found", async () => {
    const index = fc.nat(2 * RUNS - 1);
    await fc.assert(
      fc.asyncProperty(fc.array(index, { maxLength: 3 * RUNS }), async (order) => {
        const prefix = order.every((value, at) => value === at);
        const found = await check(order.map((at) => plain.lines[at] ?? ""));
        expect(found.whole).toBe(prefix);
        const kept = await check(
          order.map((at) => plain.lines[at] ?? ""),
          { heads: [last(plain)] },
        );
        expect(kept.whole).toBe(prefix && order.length === 2 * RUNS);
      }),
      { numRuns: count(200, 5_000) },
    );
    const swapped = [...plain.lines.slice(0, 2), plain.lines[3] ?? "", plain.lines[2] ?? "", ...plain.lines.slice(4)];
    expect(says(await check(swapped))).toMatch(
      /receipt 3 is missing before receipt 4\n4: receipt 3 stands behind receipt 4/,
    );
  });

  it("a cut at the end is found by a kept head, and within a line without one", { timeout: 120_000 }, async () => {
    const cuts = Array.from({ length: count(60, 2_000) }, () => Math.floor(Math.random() * plain.bytes.length));
    const ends = plain.lines.map((_, index) =>
      Buffer.byteLength(
        plain.lines
          .slice(0, index)
          .map((line) => `${line}\n`)
          .join(""),
      ),
    );
    await Promise.all(
      [...cuts, ...ends].map(async (at) => {
        const bytes = plain.bytes.subarray(0, at);
        expect((await check(bytes)).whole, `${at}`).toBe(ends.includes(at));
        expect((await check(bytes, { heads: [last(plain)] })).whole, `${at}`).toBe(false);
        expect((await check(bytes, { heads: plain.heads.slice(0, 1) })).whole).toBe(ends.slice(1).includes(at));
      }),
    );
    expect(says(await check(plain.lines.slice(0, 4), { heads: [last(plain)] }))).toContain("receipt 8, the kept head");
  });

  it("lines of another journal are found", async () => {
    const mixed = [...plain.lines.slice(0, 3), other.lines[3] ?? "", ...plain.lines.slice(4)];
    expect(says(await check(mixed))).toMatch(/^4: receipt 4 does not follow the line before it/);
    expect(says(await check(other.lines, { rootId: JSON.parse(plain.lines[0] ?? "").root }))).toContain(
      "another workspace root",
    );
  });

  it("a second spelling of a line is none, though its hash be right", async () => {
    const [first = "", ...rest] = plain.lines;
    const spaced = first.replace('"kind":"began"', '"kind": "began"');
    const { hash } = JSON.parse(spaced);
    const again = sealText(spaced.replace(`,"hash":"${hash}"`, ""));
    expect(says(await check([again, ...rest]))).toMatch(/^1: it was changed/);
  });
});

describe("a journal rewritten from some line on, hashes and all", () => {
  it.each([0, 3, 2 * RUNS - 1])("from line %d", async (from) => {
    const forged = rewrite(plain.lines, from);
    expect((await check(forged)).whole, "nothing but the head could tell").toBe(true);
    for (const [index, head] of plain.heads.entries()) {
      expect((await check(forged, { heads: [head] })).whole, `head ${index}`).toBe(index < from);
    }
    expect(says(await check(forged, { heads: [last(plain)] }))).toContain("the journal was rewritten");
  });

  it("is found by its signatures, whether they are kept, dropped, or another key's", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const foreign = join(dir, "foreign.pem");
    writeFileSync(foreign, privateKey.export({ type: "pkcs8", format: "pem" }));
    for (const from of [0, 3, 2 * RUNS - 1]) {
      const unsigned = rewrite(signed.lines, from);
      expect((await check(unsigned)).whole).toBe(true);
      expect(says(await check(unsigned, { publicKeys: keys() })), `${from}`).toMatch(
        /is not signed|no receipt is signed/,
      );
      const resigned = rewrite(signed.lines, from, readSigningKey(foreign));
      expect(says(await check(resigned, { publicKeys: keys() }))).toContain("which was not given");
      const claimed = rewrite(signed.lines, from, {
        ...required(readSigningKey(foreign)),
        id: [...keys().keys()][0] ?? "",
      });
      expect(says(await check(claimed, { publicKeys: keys() }))).toContain("did not make");
    }
    expect(says(await check(plain.bytes, { publicKeys: keys() }))).toContain("no receipt is signed");
    // With all signatures left out up to some line, its own vouches for what is before it; only the number knows better.
    const half = [...rewrite(signed.lines, 0).slice(0, 4), ...signed.lines.slice(4)];
    const chained = rewrite(half, 4, readSigningKey(join(dir, "signed/w/.iso-runtime/keys/receipts.pem")));
    expect((await check(chained, { publicKeys: keys() })).whole).toBe(true);
    expect((await check(chained, { publicKeys: keys(), signedFrom: 5 })).whole).toBe(true);
    expect(says(await check(chained, { publicKeys: keys(), signedFrom: 4 }))).toBe("4: receipt 4 is not signed");
  });
});

describe("canonical JSON", () => {
  it("is one text for one value, and the value again", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
    expect(canonicalJson({ b: [1, undefined, null], a: { "10": 1, "9": 2 }, c: undefined, é: "\u2028" })).toBe(
      '{"a":{"10":1,"9":2},"b":[1,null,null],"é":"\u2028"}',
    );
  });
});

/** What somebody does who can write the file: other content from a line on, all later links made right. */
function rewrite(lines: string[], from: number, key = null as ReturnType<typeof readSigningKey>): string[] {
  let before = from === 0 ? GENESIS : linkOf(lines[from - 1] ?? "");
  return lines.map((line, index) => {
    if (index < from) return line;
    const { hash: _, sig: _sig, key: _key, ...body } = JSON.parse(line);
    const run = { ...body.run, userId: "somebody else" };
    const sealed = sealLine({ ...body, run, seq: before.seq + 1, prev: before.hash }, key);
    before = { seq: before.seq + 1, hash: sealed.hash };
    return sealed.text.trimEnd();
  });
}

function linkOf(line: string): Link {
  const read = readLine(Buffer.from(line));
  if (typeof read === "string") throw new Error(read);
  return { seq: read.receipt.seq, hash: read.hash };
}

const sealText = (text: string): string => `${text.slice(0, -1)},"hash":"${sha256(text)}"}`;

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}

function required<T>(value: T | null): T {
  if (value === null) throw new Error("absent");
  return value;
}
