// The journal stays one whole chain: whatever a dead process left of a line, whoever appends at once, whoever is killed, and on a full disk.
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { GENESIS, type Link } from "../../src/records/receipt-line.js";
import { verifyReceipts } from "../../src/records/verify-receipts.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";
import { Child } from "../workspace/fixtures/child.js";
import { factsOf, openReceipts, resultOf } from "./bed.js";

const verify = (file: string, heads: Link[] = []) =>
  verifyReceipts(file, { publicKeys: null, signedFrom: null, heads, rootId: null });
const journalIn = (root: string) => join(root, "w/.iso-runtime/receipts.jsonl");
const worker = (root: string, name: string, runs: number) =>
  new Child("../../records/fixtures/append-worker.ts", [root, name, String(runs)]);

/** Everything a worker acknowledged, also one that is killed. */
function acknowledged(child: Child): Link[] {
  const links: Link[] = [];
  let rest = "";
  child.process.stdout?.on("data", (text) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [seq = "", hash = ""] = line.split(":");
      if (hash) links.push({ seq: Number(seq), hash });
    }
  });
  return links;
}

describe("one process", () => {
  it("numbers appends in the order of their calls, many at once too", async () => {
    const { receipts, store, file } = await openReceipts(tempDir());
    const links = await Promise.all(Array.from({ length: 50 }, (_, run) => receipts.began(factsOf(`r${run}`))));
    expect(links.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(await verify(file, links)).toMatchObject({ whole: true, lines: 50 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it("cuts what was left of a line, wherever it ended, and says so in the next", { timeout: 120_000 }, async () => {
    const { receipts, store, file } = await openReceipts(tempDir());
    await receipts.ended(factsOf("r"), resultOf("r"), null);
    const line = readFileSync(file);
    const cuts: number[] = [];
    let before: Link = GENESIS;
    for (let round = 0; round < count(40, 1_000); round++) {
      const torn = line.subarray(0, 1 + Math.floor(Math.random() * (line.length - 1)));
      appendFileSync(file, torn);
      cuts.push(torn.length);
      before = await receipts.began(factsOf(`r${round}`, round % 10 === 0));
      expect(before.seq).toBe(round + 2);
    }
    const found = await verify(file, [before]);
    expect(found).toMatchObject({ whole: true, lines: cuts.length + 1 });
    expect(found.cuts.map(({ bytes }) => bytes)).toEqual(cuts);
    await store.close();
  });

  it("begins anew over a first line that was never finished, and over what a power loss left", async () => {
    const { receipts, store, file } = await openReceipts(tempDir());
    writeFileSync(file, '{"at":');
    expect(await verify(file)).toMatchObject({ whole: false, problems: [{ line: 1 }] });
    await receipts.began(factsOf("a"));
    appendFileSync(file, Buffer.alloc(40_000));
    await receipts.began(factsOf("b"));
    const found = await verify(file);
    expect(found).toMatchObject({ whole: true, lines: 2, cuts: [{ bytes: 6 }, { bytes: 40_000 }] });
    await store.close();
  });

  it("appends nothing to a last line that was changed", async () => {
    const { receipts, store, file } = await openReceipts(tempDir());
    await receipts.began(factsOf("a"));
    writeFileSync(file, readFileSync(file, "utf8").replace('"runId":"a"', '"runId":"z"'));
    const before = readFileSync(file);
    await expect(receipts.began(factsOf("b"))).rejects.toThrow(/no receipt that we wrote/);
    expect(readFileSync(file)).toEqual(before);
    await store.close();
  });

  it("waits for a neighbour that holds the turn, but not for ever", async () => {
    const root = tempDir();
    const { receipts, store, file } = await openReceipts(root, { turnMs: 200 });
    const neighbour = await openReceipts(root);
    const held = await neighbour.store.turn("receipts", AbortSignal.timeout(10_000));
    await expect(receipts.began(factsOf("a"))).rejects.toThrow(/held by another process/);
    const waiting = neighbour.receipts.began(factsOf("b"));
    held.release();
    await waiting;
    await receipts.began(factsOf("c"));
    expect(await verify(file)).toMatchObject({ whole: true, lines: 2 });
    await neighbour.store.close();
    await store.close();
  });

  it("on a full disk fails, keeps the chain, and goes on when there is room again", async ({ skip }) => {
    const root = tempDir();
    const small = mkdtempSync(join(root, "small-"));
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "none", small]).status === 0;
    if (!mounted) skip("needs the right to mount");
    onTestFinished(() => void spawnSync("umount", [small]));
    const { receipts, store, file } = await openReceipts(root, { workspaceRoot: small });
    const ballast = join(small, "ballast");
    expect(() => writeFileSync(ballast, Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
    truncateSync(ballast, statSync(ballast).size - 3 * 4096);
    const kept: Link[] = [];
    let failed = 0;
    for (let run = 0; failed < 5; run++) {
      await receipts.began(factsOf(`r${run}`, run % 2 === 0)).then(
        (link) => kept.push(link),
        (error) => {
          expect(error).toMatchObject({ code: "ENOSPC" });
          failed += 1;
        },
      );
    }
    expect(kept.length).toBeGreaterThan(0);
    expect(await verify(file, kept)).toMatchObject({ whole: true, lines: kept.length });
    rmSync(ballast);
    expect((await receipts.began(factsOf("after"))).seq).toBe(kept.length + 1);
    expect(await verify(file, kept)).toMatchObject({ whole: true, cuts: [] });
    await store.close();
  });
});

describe("several processes", () => {
  it("8 at once write one chain, each line once", { timeout: 600_000 }, async () => {
    const root = tempDir();
    const runs = count(20, 500);
    const children = Array.from({ length: 8 }, (_, index) => worker(root, `w${index}`, runs));
    for (const child of children) await child.says("ready");
    const links = children.map(acknowledged);
    for (const child of children) child.tell("go");
    for (const child of children) expect(await child.ended, child.errors).toBe(0);
    const all = links.flat();
    expect(new Set(all.map(({ seq }) => seq)).size).toBe(8 * runs * 2);
    const found = await verify(journalIn(root), all);
    expect(found.problems).toEqual([]);
    expect(found).toMatchObject({ whole: true, lines: 8 * runs * 2, ended: 8 * runs, open: [], cuts: [] });
  });

  it("killed at random lose nothing that was acknowledged, and leave a chain", { timeout: 3_600_000 }, async () => {
    const root = tempDir();
    const rounds = count(4, 250);
    const all: Link[] = [];
    for (let round = 0; round < rounds; round++) {
      const children = Array.from({ length: 4 }, (_, index) => worker(root, `${round}-${index}`, 1_000_000));
      for (const child of children) await child.says("ready");
      const links = children.map(acknowledged);
      for (const child of children) child.tell("go");
      for (const child of children) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
        await child.kill();
      }
      all.push(...links.flat());
    }
    const { receipts, store, file } = await openReceipts(root);
    all.push(await receipts.began(factsOf("after")));
    const found = await verify(file, all);
    expect(found.problems).toEqual([]);
    expect(found.whole).toBe(true);
    expect(all.length).toBeGreaterThan(rounds);
    // At most one line of each killed process is there without having been acknowledged.
    expect(found.lines).toBeGreaterThanOrEqual(all.length);
    expect(found.lines).toBeLessThanOrEqual(all.length + 4 * rounds);
    await store.close();
  });
});
