import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deadline } from "../../src/harness/deadline.js";

describe("Deadline", () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => vi.useRealTimers());

  it("passes once its time is over", () => {
    const passed = vi.fn();
    new Deadline(100, passed).run();
    vi.advanceTimersByTime(99);
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("stands still while paused and goes on with what was left", () => {
    const passed = vi.fn();
    const deadline = new Deadline(100, passed);
    deadline.run();
    vi.advanceTimersByTime(60);
    deadline.pause();
    vi.advanceTimersByTime(10_000);
    deadline.run();
    vi.advanceTimersByTime(39);
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("counts what the program computes beside a pause, and nothing twice", () => {
    const passed = vi.fn();
    const deadline = new Deadline(1000, passed);
    deadline.run();
    vi.advanceTimersByTime(100);
    expect(deadline.pause()).toBe(true);
    for (let turn = 0; turn < 20; turn++) {
      // In turns: 10 ms of its own while the clock runs, 90 ms of waiting.
      deadline.run();
      vi.advanceTimersByTime(10);
      expect(deadline.pause()).toBe(false);
      vi.advanceTimersByTime(90);
      deadline.computed(10);
    }
    expect(passed).not.toHaveBeenCalled();
    // 700 ms are left, and eight processors compute.
    for (let turn = 0; turn < 6; turn++) {
      vi.advanceTimersByTime(100);
      deadline.computed(800);
    }
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100);
    deadline.computed(800);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("is found passed by calls in quick turns", () => {
    const passed = vi.fn();
    const deadline = new Deadline(100, passed);
    deadline.run();
    for (let turn = 0; turn < 11; turn++) {
      vi.advanceTimersByTime(10 - (turn === 10 ? 10 : 0));
      deadline.pause();
      deadline.run();
    }
    expect(passed).toHaveBeenCalledOnce();
  });

  it("never passes once cancelled", () => {
    const passed = vi.fn();
    const deadline = new Deadline(100, passed);
    deadline.run();
    deadline.cancel();
    vi.advanceTimersByTime(1000);
    expect(passed).not.toHaveBeenCalled();
  });
});
