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

  it("never passes once cancelled", () => {
    const passed = vi.fn();
    const deadline = new Deadline(100, passed);
    deadline.run();
    deadline.cancel();
    vi.advanceTimersByTime(1000);
    expect(passed).not.toHaveBeenCalled();
  });
});
