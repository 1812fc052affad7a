import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InfraLog } from "../../src/diagnostics/infra-log.js";
import { LogFile } from "../../src/diagnostics/log-file.js";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "log-file-"));
  path = join(dir, "user.log");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fill(log: LogFile, lines: number): string {
  let all = "";
  for (let i = 0; i < lines; i++) {
    const line = `line ${i} ${"x".repeat(i % 50)}\n`;
    all += line;
    log.append(Buffer.from(line));
  }
  return all;
}

describe("LogFile", () => {
  it("writes what it is given", async () => {
    const log = new LogFile(path);
    const all = fill(log, 1000);
    await log.finish();
    expect(readFileSync(path, "utf8")).toBe(all);
    expect(log.tail(1 << 20)).toBe(all);
    expect(log.bytes).toBe(all.length);
  });

  it.each([
    ["shorter", 1000, 10],
    ["longer", 10, 1000],
    ["empty", 1000, 0],
    ["longer than may be kept", 1000, 5000],
  ])("leaves nothing of the log that it is written over, with one that is %s", async (_, earlier, lines) => {
    const first = new LogFile(path);
    fill(first, earlier);
    await first.finish();
    const log = new LogFile(path, { maxBytes: 64 * 1024 });
    const all = fill(log, lines);
    await log.finish();
    const text = readFileSync(path, "utf8");
    if (all.length < 64 * 1024) expect(text).toBe(all);
    else expect(text).toMatch(/^line 0 \n[\s\S]*left out[\s\S]*line 4999 x{49}\n$/);
  });

  it("is not there where it could not be opened: what an earlier run left is not this one's", async () => {
    writeFileSync(join(dir, "earlier.log"), "of an earlier run");
    symlinkSync(join(dir, "earlier.log"), path);
    const log = new LogFile(path);
    fill(log, 10);
    await log.finish();
    expect(log.failure).toMatch(/ELOOP/);
    expect(readdirSync(dir)).toEqual(["earlier.log"]);
  });

  it("is there when it has ended, an empty one too", async () => {
    const log = new LogFile(path);
    await log.finish();
    log.append(Buffer.from("too late"));
    expect(readFileSync(path, "utf8")).toBe("");
    expect(log.tail(1000)).toBe("");
    expect(log.bytes).toBe(0);
  });

  it("says of a log that cannot be made what was to be in it, and why it is not there", async () => {
    rmSync(dir, { recursive: true });
    const log = new LogFile(path);
    log.append(Buffer.from("kept\n"));
    await log.finish();
    expect(log.failure).toMatch(/ENOENT/);
    expect(log.tail(1000)).toBe("kept\n");
    expect(log.bytes).toBe(5);
  });

  it("shows the ends of one that never left the buffer", async () => {
    const log = new LogFile(path);
    const all = fill(log, 1000);
    await log.finish();
    const shown = log.tail(2000);
    expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(2000);
    // A line that is cut gets a break of its own before the count.
    const [head = "", count = "", tail = ""] = shown.split(/\n?^… ([\d,]+) bytes left out …\n/m);
    expect(head.length * tail.length).toBeGreaterThan(0);
    expect(all.startsWith(head)).toBe(true);
    expect(all.endsWith(tail)).toBe(true);
    expect(head.length + tail.length + Number(count.replaceAll(",", ""))).toBe(all.length);
  });

  it("shows on disk what was flushed, before the end", () => {
    const log = new LogFile(path);
    log.append(Buffer.from("now\n"));
    log.flush();
    expect(readFileSync(path, "utf8")).toBe("now\n");
    expect(log.tail(1000)).toBe("now\n");
  });

  it.each([600, 4096, 100_000, 600_000])(
    "keeps head and tail within %i bytes, in order, with the dropped bytes counted",
    async (maxBytes) => {
      const log = new LogFile(path, { maxBytes });
      const all = fill(log, 30_000);
      log.flush();
      expect(statSync(path).size).toBeLessThanOrEqual(maxBytes);
      await log.finish();

      const kept = readFileSync(path, "utf8");
      const [head = "", count = "", tail = ""] = kept.split(/^… ([\d,]+) bytes left out …\n/m);
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(maxBytes);
      expect(all.startsWith(head)).toBe(true);
      expect(head.endsWith("\n")).toBe(true);
      expect(all.endsWith(tail)).toBe(true);
      expect(tail).toMatch(/^line \d+ /);
      expect(head.length + tail.length + Number(count.replaceAll(",", ""))).toBe(all.length);
      expect(readdirSync(dir)).toEqual(["user.log"]);
    },
  );

  it("keeps the very first and the very last lines in a short tail, before and after its end", async () => {
    const log = new LogFile(path, { maxBytes: 10_000 });
    const all = fill(log, 5000);
    const check = () => {
      const tail = log.tail(1000);
      const [head = "", count = "", end = ""] = tail.split(/\n?^… ([\d,]+) bytes left out …\n/m);
      expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(1000);
      expect(all.startsWith(head)).toBe(true);
      expect(all.endsWith(end)).toBe(true);
      expect(Number(count.replaceAll(",", ""))).toBeGreaterThan(all.length - 1001);
    };
    check();
    await log.finish();
    check();
  });

  it("takes one append that is larger than all it may keep", async () => {
    const log = new LogFile(path, { maxBytes: 1000 });
    log.append(Buffer.from(`first\n${"y".repeat(3_000_000)}\nlast\n`));
    await log.finish();
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    expect(readFileSync(path, "utf8")).toMatch(/^first\ny*\n?… [\d,]+ bytes left out …\n.*last\n$/s);
  });

  it("ignores what comes after its end, and ends once", async () => {
    const log = new LogFile(path);
    log.append(Buffer.from("a\n"));
    await log.finish();
    log.append(Buffer.from("b\n"));
    await log.finish();
    expect(readFileSync(path, "utf8")).toBe("a\n");
  });

  it("starts empty where a log of an earlier run was", async () => {
    for (const text of ["a much longer one\n", "short\n"]) {
      const log = new LogFile(path);
      log.append(Buffer.from(text));
      await log.finish();
    }
    expect(readFileSync(path, "utf8")).toBe("short\n");
  });

  it("goes on without a disk, and says so", async () => {
    const log = new LogFile("/dev/full");
    log.append(Buffer.from("x\n"));
    log.flush();
    expect(log.failure).toMatch(/ENOSPC/);
    expect(log.bytes).toBe(2);
    await log.finish();
  });
});

describe("InfraLog", () => {
  it("writes lines with time and source, and lets no text forge one", async () => {
    const log = new InfraLog(path, { now: () => new Date("2026-01-02T10:11:12.345Z") });
    log.append("runtime", "started");
    log.append("engine", "two\nlines\n");
    log.append("tools", "a\r2026-01-02T00:00:00.000Z [runtime] forged\x1b[31m\x00");
    await log.finish();
    const text = readFileSync(path, "utf8");
    expect(text).toBe(
      [
        "2026-01-02T10:11:12.345Z [runtime] started",
        "2026-01-02T10:11:12.345Z [engine] two",
        "2026-01-02T10:11:12.345Z [engine] lines",
        "2026-01-02T10:11:12.345Z [tools] a\\x0d2026-01-02T00:00:00.000Z [runtime] forged\\x00",
        "",
      ].join("\n"),
    );
    expect(log.tail(10_000)).toBe(text);
  });
});
