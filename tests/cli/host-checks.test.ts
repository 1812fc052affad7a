import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hostChecks } from "../../src/cli/host-checks.js";
import { tempDir } from "../support/temp.js";

const checkRoot = (workspaceRoot: string) => hostChecks({ workspaceRoot, sandboxRoot: tempDir() })[1];

describe("the checks of the host", () => {
  it("tell the oldest Node that will do", () => {
    const ofNode = (version: string) => hostChecks({ workspaceRoot: "/", sandboxRoot: "/" }, version)[0];
    expect(ofNode("20.19.0")).toMatchObject({ status: "ok" });
    expect(ofNode("24.0.0")).toMatchObject({ status: "ok" });
    expect(ofNode("20.18.9")).toMatchObject({ status: "fail", fix: expect.stringContaining("20.19") });
    expect(ofNode("18.20.0")).toMatchObject({ status: "fail" });
  });

  it("take a root that is not there yet, and do not make it", () => {
    const root = join(tempDir(), "not/yet");
    expect(checkRoot(root)).toMatchObject({ message: expect.stringContaining("to be made in") });
    expect(checkRoot(root)?.status).not.toBe("fail");
    expect(existsSync(root)).toBe(false);
  });

  it.each<[string, (dir: string) => string, RegExp]>([
    ["below a file", (dir) => join(fileIn(dir), "root"), /is no folder/],
    ["a file", fileIn, /is no folder/],
    ["in /proc", () => "/proc/nowhere", /on proc/],
  ])("refuse a root that is %s, with the way out", (_name, place, sentence) => {
    expect(checkRoot(place(tempDir()))).toMatchObject({
      ...{ name: "workspace root", status: "fail", message: expect.stringMatching(sentence) },
      fix: expect.stringContaining("ISO_RUNTIME_USER_WORKSPACE_ROOT"),
    });
  });
});

function fileIn(dir: string): string {
  const path = join(dir, "file");
  writeFileSync(path, "");
  return path;
}
