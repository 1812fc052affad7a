import { describe, expect, it } from "vitest";
import { neverStarted } from "../../src/cli/run.js";
import { IsoError } from "../../src/model/errors.js";

const flags = { args: [], user: "alice", color: true };

describe("the result of a run that no flags or tools could start", () => {
  const fault = new IsoError("tools_invalid", "the tools descriptor is not there");

  it.each([
    ["a contract", { contract: ["a.txt=a"] }, "contract"],
    ["a contract file", { contractFile: "c.json" }, "contract"],
    ["neither", {}, "side-effects"],
  ])("has the mode that was asked for with %s", async (_name, over, mode) => {
    expect(await neverStarted({ ...flags, ...over }, fault)).toMatchObject({
      ...{ mode, status: "rejected", userId: "alice", error: { code: "tools_invalid" } },
    });
  });

  it("is cancelled where the operator gave up", async () => {
    expect(await neverStarted(flags, new IsoError("cancelled", "given up"))).toMatchObject({ status: "cancelled" });
  });
});
