// The journal of receipts is whole as long as nobody touched it, and any change, loss or reorder is found.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { blankResult } from "../../src/harness/result.js";
import { receiptOf } from "../../src/records/receipt.js";
import { loadPublicKey, loadSigningKey, makeSigningKey, publicKeyFile } from "../../src/records/receipt-key.js";
import { type Exclusively, Receipts, receiptsFile } from "../../src/records/receipts.js";
import { type Demands, verifyReceipts } from "../../src/records/verify-receipts.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";
import { Child } from "../workspace/fixtures/child.js";

const alone: Exclusively = (work) => work();
const INPUTS = { code: "1", stdin: null, args: [], env: { KEY: "secret" }, contract: [], profile: {}, timeoutMs: 1 };
const receipt = (runId: string) => receiptOf(blankResult({ runId, userId: "u" }), INPUTS, []);
const NOTHING: Demands = { head: null, publicKey: null, signedFrom: null };

async function journal(runs: number, signed = false): Promise<string> {
  const dir = tempDir();
  if (signed) makeSigningKey(dir);
  const receipts = new Receipts(dir, alone, loadSigningKey(dir, null));
  for (let run = 0; run < runs; run++) await receipts.append(receipt(`r${run}`), false);
  return dir;
}

const linesOf = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n");
const write = (file: string, lines: string[]) => writeFileSync(file, lines.map((line) => `${line}\n`).join(""));

describe("a journal", () => {
  it("is whole, also when another process went on with it", async () => {
    const dir = await journal(3);
    const other = new Receipts(dir, alone, null);
    await other.append(receipt("other"), true);
    const found = await verifyReceipts(receiptsFile(dir), NOTHING);
    expect(found).toMatchObject({ whole: true, receipts: 4, faults: [], head: { seq: 4 }, unfinishedBytes: 0 });
    const demands = { ...NOTHING, head: found.head };
    expect(await verifyReceipts(receiptsFile(dir), demands)).toMatchObject({ whole: true });
    expect(statSync(receiptsFile(dir)).mode & 0o777).toBe(0o600);
  });

  it("holds names of variables, never their values", async () => {
    const text = readFileSync(receiptsFile(await journal(1)), "utf8");
    expect(text).toContain('"envNames":["KEY"]');
    expect(text).not.toContain("secret");
  });

  it("tells any byte that changed before the last line, or with the head kept anywhere", async () => {
    const dir = await journal(4);
    const file = receiptsFile(dir);
    const whole = readFileSync(file);
    const { head } = await verifyReceipts(file, NOTHING);
    const lastLine = whole.lastIndexOf("\n", whole.length - 2) + 1;
    const place = fc.integer({ min: 0, max: whole.length - 1 });
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        writeFileSync(file, bytes);
        if (at < lastLine - 1) expect((await verifyReceipts(file, NOTHING)).whole).toBe(false);
        expect((await verifyReceipts(file, { ...NOTHING, head })).whole).toBe(false);
      }),
      { numRuns: count(300, 3000) },
    );
  });

  it("tells lines that were lost, doubled, exchanged or put there", async () => {
    const dir = await journal(6);
    const file = receiptsFile(dir);
    const whole = linesOf(file);
    const { head } = await verifyReceipts(file, NOTHING);
    const at = fc.integer({ min: 0, max: whole.length - 1 });
    const meddle = fc.oneof(
      at.map((line) => whole.toSpliced(line, 1)),
      fc.tuple(at, at).map(([from, to]) => whole.toSpliced(to, 0, whole[from] ?? "")),
      fc
        .tuple(at, at)
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => whole.with(a, whole[b] ?? "").with(b, whole[a] ?? "")),
      fc.tuple(at, fc.json()).map(([line, text]) => whole.toSpliced(line, 0, text)),
      at.map((keep) => whole.slice(0, keep)),
    );
    await fc.assert(
      fc.asyncProperty(meddle, async (lines) => {
        write(file, lines);
        expect((await verifyReceipts(file, { ...NOTHING, head })).whole).toBe(false);
        // Without the head, only an end that was cut off goes unseen.
        const cut = lines.every((line, index) => line === whole[index]);
        expect((await verifyReceipts(file, NOTHING)).whole).toBe(cut);
      }),
      { numRuns: count(300, 3000) },
    );
  });

  it("says which line and what", async () => {
    const dir = await journal(5);
    const file = receiptsFile(dir);
    const whole = linesOf(file);
    const faults = async (lines: string[]) => {
      write(file, lines);
      return (await verifyReceipts(file, NOTHING)).faults;
    };
    const changed = (whole[1] ?? "").replace('"u"', '"v"');
    expect(await faults(whole.with(1, changed))).toEqual([
      { line: 3, message: expect.stringMatching(/the receipt before it is another/) },
    ]);
    expect(await faults(whole.toSpliced(1, 2))).toEqual([{ line: 2, message: "receipt 4 follows 1: 2 lost" }]);
    expect((await faults(whole.toSpliced(2, 0, whole[1] ?? "")))[0]).toEqual({
      line: 3,
      message: "receipt 2 follows 2: out of order, or there twice",
    });
    expect((await faults(whole.with(0, "x")))[0]).toEqual({ line: 1, message: "it is no receipt" });
    expect((await faults(whole.with(0, "x".repeat(3_000_000))))[0]).toEqual({ line: 1, message: "it is no receipt" });
  });

  it("goes on after a line that a dying process cut off, and says so", async () => {
    const dir = await journal(2);
    const file = receiptsFile(dir);
    const half = (linesOf(file)[1] ?? "").slice(0, 100);
    appendFileSync(file, half);
    expect(await verifyReceipts(file, NOTHING)).toMatchObject({ whole: true, receipts: 2, unfinishedBytes: 100 });
    await new Receipts(dir, alone, null).append(receipt("next"), false);
    expect(await verifyReceipts(file, NOTHING)).toMatchObject({
      whole: true,
      receipts: 3,
      healed: [3],
      unfinishedBytes: 0,
    });
    expect(linesOf(file)[2]).toContain('"removedBefore":100');
  });

  it("begins anew where the very first line was cut off", async () => {
    const dir = tempDir();
    writeFileSync(receiptsFile(dir), '{"schema":');
    await new Receipts(dir, alone, null).append(receipt("first"), false);
    expect(await verifyReceipts(receiptsFile(dir), NOTHING)).toMatchObject({ whole: true, receipts: 1, healed: [1] });
  });

  it("is not continued where its end is none of ours", async () => {
    const dir = await journal(1);
    for (const end of ["no receipt\n", "\n", "x".repeat(3_000_000)]) {
      appendFileSync(receiptsFile(dir), end);
      const before = readFileSync(receiptsFile(dir));
      await expect(new Receipts(dir, alone, null).append(receipt("next"), false)).rejects.toMatchObject({
        hint: expect.stringContaining("receipts verify"),
      });
      expect(readFileSync(receiptsFile(dir)).equals(before)).toBe(true);
    }
  });

  it("can be checked with nothing but standard tools", async () => {
    const dir = await journal(5);
    const recipe = /```sh\n([\s\S]*?)```/.exec(
      readFileSync(new URL("../../docs/receipts.md", import.meta.url), "utf8"),
    )?.[1];
    const check = () => execFileSync("sh", ["-c", recipe ?? "exit 1", "sh"], { cwd: dir, encoding: "utf8" });
    expect(check()).toContain("5 receipts, whole");
    const lines = linesOf(receiptsFile(dir));
    write(receiptsFile(dir), lines.with(1, (lines[1] ?? "").replace('"u"', '"v"')));
    expect(check()).toContain("broken at 3");
  });
});

describe("signatures", () => {
  it("are the key's own, on every receipt", async () => {
    const dir = await journal(3, true);
    const publicKey = loadPublicKey(publicKeyFile(dir));
    const demands = { ...NOTHING, publicKey, signedFrom: 1 };
    const file = receiptsFile(dir);
    expect(await verifyReceipts(file, demands)).toMatchObject({ whole: true, signed: 3 });
    const other = tempDir();
    makeSigningKey(other);
    const stranger = loadPublicKey(publicKeyFile(other));
    expect((await verifyReceipts(file, { ...demands, publicKey: stranger })).totalFaults).toBe(3);
    // One who has no key but all else can make a chain that is whole in itself.
    const forged = await journal(3);
    expect((await verifyReceipts(receiptsFile(forged), NOTHING)).whole).toBe(true);
    expect((await verifyReceipts(receiptsFile(forged), demands)).faults[0]?.message).toBe("it is not signed");
    // Also of the last line, which no hash holds.
    const lines = linesOf(file);
    write(file, lines.with(2, (lines[2] ?? "").replace('"u"', '"v"')));
    expect((await verifyReceipts(file, demands)).faults).toEqual([
      { line: 3, message: "its signature is not of what it says" },
    ]);
  });

  it("begin with the key: what came before may be without, what comes after may not", async () => {
    const dir = await journal(2);
    makeSigningKey(dir);
    await new Receipts(dir, alone, loadSigningKey(dir, null)).append(receipt("signed"), false);
    const demands = { ...NOTHING, publicKey: loadPublicKey(publicKeyFile(dir)) };
    expect(await verifyReceipts(receiptsFile(dir), demands)).toMatchObject({ whole: true, signed: 1 });
    await new Receipts(dir, alone, null).append(receipt("unsigned"), false);
    expect((await verifyReceipts(receiptsFile(dir), demands)).faults).toEqual([
      { line: 4, message: "it is not signed" },
    ]);
  });

  it("are made with an ed25519 key alone, which is never overwritten", () => {
    const dir = tempDir();
    makeSigningKey(dir);
    expect(() => makeSigningKey(dir)).toThrow(/a key already/);
    expect(statSync(join(dir, "keys/receipts.pem")).mode & 0o777).toBe(0o600);
    writeFileSync(join(dir, "no.pem"), "no key");
    expect(() => loadSigningKey(dir, join(dir, "no.pem"))).toThrow(/no private ed25519 key/);
    expect(() => loadSigningKey(dir, join(dir, "absent.pem"))).toThrow(/no private ed25519 key/);
  });
});

describe("many processes", () => {
  const worker = (...args: (string | number)[]) => new Child("receipt-worker.ts", args.map(String));

  it("write one chain", { timeout: 120_000 }, async () => {
    const root = tempDir();
    const runs = count(20, 200);
    const children = Array.from({ length: 4 }, (_, name) => worker(root, `p${name}`, runs));
    for (const child of children) expect(await child.ended, child.errors).toBe(0);
    const file = receiptsFile(join(root, "w/.iso-runtime"));
    expect(await verifyReceipts(file, NOTHING)).toMatchObject({ whole: true, receipts: 4 * runs });
  });

  it("that are killed leave a whole one, with every receipt that somebody was told of", {
    timeout: 300_000,
  }, async () => {
    const root = tempDir();
    const told: string[] = [];
    for (let round = 0; round < count(4, 60); round++) {
      const children = Array.from({ length: 2 }, (_, name) => worker(root, `r${round}p${name}`, 100_000));
      for (const child of children) told.push(await child.line());
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      for (const child of children) await child.kill();
    }
    const file = receiptsFile(join(root, "w/.iso-runtime"));
    expect(await verifyReceipts(file, NOTHING)).toMatchObject({ whole: true });
    const there = new Set(
      linesOf(file).flatMap((line) => (line.endsWith("}") ? [String(JSON.parse(line).runId)] : [])),
    );
    expect(told.filter((runId) => !there.has(runId))).toEqual([]);
  });
});

it.runIf(process.getuid?.() === 0)("a full disk leaves the journal as it was", async () => {
  const dir = join(tempDir(), "small");
  mkdirSync(dir);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir]);
  onTestFinished(() => void execFileSync("umount", [dir]));
  const receipts = new Receipts(dir, alone, null);
  let kept = 0;
  const fill = async () => {
    for (;;) {
      await receipts.append(receipt(`r${kept}`), false);
      kept += 1;
    }
  };
  await expect(fill()).rejects.toMatchObject({ code: "ENOSPC" });
  expect(kept).toBeGreaterThan(10);
  expect(await verifyReceipts(receiptsFile(dir), NOTHING)).toMatchObject({
    whole: true,
    receipts: kept,
    unfinishedBytes: 0,
  });
});
