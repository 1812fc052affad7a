// Every flag's mistakes, told by a sentence that names the flag; and what the flags become where they are right.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkRequest, type RunFlags, requestFrom } from "../../src/cli/flags.js";
import { MiB } from "../../src/model/limits.js";
import { tempDir, tempFiles } from "../support/temp.js";

const flags = (over: Partial<RunFlags>): RunFlags => ({
  code: "print(1)",
  args: [],
  user: "local",
  color: true,
  ...over,
});
/** As a run does it: made of the flags, then checked. */
const checked = async (over: Partial<RunFlags>) => {
  const request = await requestFrom(flags(over));
  await checkRequest(request);
  return request;
};
const fromFile = (file: string): RunFlags => ({ file, args: [], user: "local", color: true });
const mistake = (sentence: RegExp) =>
  expect.objectContaining({ code: "invalid_request", message: expect.stringMatching(sentence) });

describe("a mistake in a flag", () => {
  it.each<[string, Partial<RunFlags>, RegExp]>([
    ["two sources", { file: "a.py" }, /FILE.*-c CODE.*--scenario/],
    ["two sources, one free text", { scenario: "0" }, /FILE.*-c CODE.*--scenario/],
    ["two owners of stdout", { json: true, events: true }, /--json and --events/],
    ["a user that is no text for a turn", { turn: "a b" }, /^--turn: /],
    ["a workspace with capitals", { workspace: "Main" }, /^--workspace: /],
    ["a contract without a path", { contract: ["=x"] }, /^--contract: /],
    ["a contract without a description", { contract: ["a.txt"] }, /^--contract: /],
    ["a contract and none", { contract: ["a=b"], sideEffects: true }, /^--side-effects /],
    ["a contract file and none", { contractFile: "c.json", sideEffects: true }, /^--side-effects /],
    ["a contract file that is not there", { contractFile: "/nope.json" }, /^--contract-file: there is no file/],
    ["a contract file that is a folder", { contractFile: "/" }, /^--contract-file: .*no regular file/],
    ["a contract file that never ends", { contractFile: "/dev/zero" }, /^--contract-file: .*no regular file/],
    ["a time of words", { timeout: "soon" }, /^--timeout: /],
    ["a time with a unit", { timeout: "5s" }, /^--timeout: /],
    ["too little time", { timeout: "0.09" }, /^--timeout: .*0\.1/],
    ["too much time", { timeout: "86401" }, /^--timeout: .*86400/],
    ["a negative time", { timeout: "-1" }, /^--timeout: /],
    ["a variable without a value", { env: ["A"] }, /^--env: /],
    ["a variable without a name", { env: ["=1"] }, /^--env: /],
    ["a variable with a strange name", { env: ["a-b=1"] }, /^--env a-b: /],
    ["a variable of ours", { env: ["OUTPUT_DIR=/"] }, /^--env OUTPUT_DIR: is reserved/],
    ["an id of ours", { env: ["MY_ID=1"] }, /^--env MY_ID: is reserved/],
    ["PATH", { env: ["PATH=/"] }, /^--env PATH: is reserved/],
    ["a variable of Python's", { env: ["PYTHONPATH=/"] }, /^--env PYTHONPATH: is reserved/],
    ["a variable of the loader's", { env: ["LD_PRELOAD=x"] }, /^--env LD_PRELOAD: is reserved/],
    ["a sync that there is not", { sync: "sometimes" }, /^--sync: .*always, on-success, never/],
    ["a durability that there is not", { durability: "rock" }, /^--durability: .*process, disk/],
    ["more requirements than anybody has", { require: Array(33).fill("seccomp") }, /^--require: /],
    ["a code that is too long", { code: "#".repeat(4 * MiB + 1) }, /^the snippet: /],
    ["an argument with a NUL", { args: ["a\0b"] }, /^arguments after --/],
  ])("%s", async (_name, over, sentence) => {
    await expect(checked(over)).rejects.toThrow(mistake(sentence));
  });

  it.each(["turn", "workspace", "profile", "backend", "tools", "bundle", "config", "timeout", "sync", "durability"])(
    "an empty --%s is a variable that was not set",
    async (name) => {
      await expect(requestFrom(flags({ [name]: "" }))).rejects.toThrow(mistake(new RegExp(`^--${name}: .*empty`)));
    },
  );

  it.each<[string, string, RegExp]>([
    ["is not there", "nope.py", /^FILE: there is no file .* -c, .* --scenario/],
    ["is a folder", ".", /^FILE: .*no regular file/],
    ["is no UTF-8", "latin.py", /^FILE: .*no UTF-8/],
    ["is too large", "large.py", /^FILE: .*more than/],
  ])("a FILE that %s", async (_name, file, sentence) => {
    const dir = tempDir();
    writeFileSync(join(dir, "latin.py"), Buffer.from([0x22, 0xe9, 0x22]));
    writeFileSync(join(dir, "large.py"), Buffer.alloc(4 * MiB + 1, "#"));
    await expect(requestFrom(fromFile(join(dir, file)))).rejects.toThrow(mistake(sentence));
  });

  it("names nothing to run", async () => {
    await expect(requestFrom({ args: [], user: "local", color: true })).rejects.toThrow(mistake(/nothing to run/));
  });

  it("names a contract file that is no list, or no JSON", async () => {
    const dir = tempFiles({ "object.json": "{}", "broken.json": "[" });
    for (const [name, sentence] of [
      ["object.json", /list of entries/],
      ["broken.json", /no JSON/],
    ] as const)
      await expect(requestFrom(flags({ contractFile: join(dir, name) }))).rejects.toThrow(mistake(sentence));
  });
});

describe("flags that are right", () => {
  it("become a request", async () => {
    const dir = tempFiles({ "contract.json": '[{"path":"b.csv","description":"b","columns":["x"]}]' });
    const request = await requestFrom(
      flags({
        ...{ turn: "t1", workspace: "scratch", timeout: "0.25", sync: "on-success", durability: "disk" },
        ...{ contract: ["a.txt=x=y"], contractFile: join(dir, "contract.json"), require: ["seccomp"] },
        ...{ env: ["A=b=c", "EMPTY="], args: ["--json"] },
      }),
    );
    expect(request).toEqual({
      ...{
        userId: "local",
        code: "print(1)",
        turnId: "t1",
        workspace: "scratch",
        timeoutMs: 250,
        require: ["seccomp"],
      },
      ...{ sync: "on-success", durability: "disk", args: ["--json"], env: { A: "b=c", EMPTY: "" } },
      contract: [
        { path: "a.txt", description: "x=y" },
        { path: "b.csv", description: "b", columns: ["x"] },
      ],
    });
  });

  it("may be an empty snippet, or an empty choice of scenario", async () => {
    expect(await requestFrom(flags({ code: "" }))).toMatchObject({ code: "" });
    expect(await requestFrom({ scenario: "", args: [], user: "local", color: true })).toMatchObject({ scenario: "" });
  });

  it("leave out the mark that some editors begin a file with", async () => {
    const dir = tempFiles({ "mark.py": "\ufeffprint(1)\n" });
    expect(await requestFrom(fromFile(join(dir, "mark.py")))).toMatchObject({ code: "print(1)\n" });
  });
});
