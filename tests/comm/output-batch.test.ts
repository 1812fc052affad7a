import { expect, it, onTestFinished, vi } from "vitest";
import { OutputBatch } from "../../src/comm/output-batch.js";
import type { EventInput } from "../../src/model/events.js";

const output = (text: string, stream: "stdout" | "stderr" = "stdout"): EventInput => ({
  ...{ type: "output", stream, bytes: Buffer.from(text) },
});
const failed: EventInput = { type: "comm.error", message: "m", data: { errorLines: [], tracebacks: [] } };

function makeBatch(): { batch: OutputBatch; told: EventInput[] } {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const told: EventInput[] = [];
  return { batch: new OutputBatch((event) => told.push(event)), told };
}

it("tells the first output at once, and what follows together after a while", () => {
  const { batch, told } = makeBatch();
  batch.emit(output("a"));
  expect(told).toEqual([output("a")]);
  for (const text of ["b", "c", "d"]) batch.emit(output(text));
  expect(told).toHaveLength(1);
  vi.advanceTimersByTime(1000);
  expect(told).toEqual([output("a"), output("bcd")]);
  batch.emit(output("e"));
  expect(told.at(-1)).toEqual(output("e"));
});

it("keeps the order of streams and of other events", () => {
  const { batch, told } = makeBatch();
  const all = [output("a"), output("b"), output("c", "stderr"), output("d"), failed, output("e"), failed];
  for (const event of all) batch.emit(event);
  expect(told).toEqual(all);
});

it("does not wait for more than an event shall hold, and leaves nothing behind", () => {
  const { batch, told } = makeBatch();
  batch.emit(output("first"));
  for (let piece = 0; piece < 10; piece += 1) batch.emit(output("x".repeat(30_000)));
  batch.emit(output("last"));
  batch.flush();
  const texts = told.map((event) => (event.type === "output" ? event.bytes.toString() : ""));
  expect(texts.join("")).toBe(`first${"x".repeat(300_000)}last`);
  expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(64 * 1024);
  expect(told.length).toBeLessThanOrEqual(7);
  expect(vi.getTimerCount()).toBe(0);
});

it("lets a large piece go as it is, at once", () => {
  const { batch, told } = makeBatch();
  batch.emit(output("first"));
  batch.emit(output("small"));
  const large = Buffer.alloc(200_000);
  batch.emit({ type: "output", stream: "stdout", bytes: large });
  expect(told).toHaveLength(3);
  expect(told[2]).toHaveProperty("bytes", large);
});
