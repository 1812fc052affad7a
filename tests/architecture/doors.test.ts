// The doors that only some files may go through, and the size of a file. Who needs another one opens it here, where a reader sees it.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { projectFiles } from "./project-files.js";
import { lineCount, type Passage, passages } from "./source-rules.js";

const MAX_LINES = 400;

/** Prefixes of the paths below src that may pass. */
const OPEN_TO: Record<Passage["door"], string[]> = {
  environment: ["settings/"],
  exit: ["cli/"],
  // Durations are measured by performance.now, which no one sets back. These say when something was.
  "wall clock": [
    "bench/report.ts",
    "cli/documents.ts",
    "cli/keys.ts",
    "cli/service-log.ts",
    "comm/event-bus.ts",
    "diagnostics/infra-log.ts",
    "harness/retention.ts",
    "harness/trace.ts",
    "records/api-keys.ts",
    "records/history.ts",
    "records/receipts.ts",
    "sandbox/linux/cgroup.ts",
    "tools/session.ts",
    "workspace/manifest.ts",
    "workspace/version-folder.ts",
  ],
  "process module": [],
};

const SOURCES = projectFiles("src", ".ts").map((path) => ({ path, text: readFileSync(path, "utf8") }));

const mayPass = (door: Passage["door"], path: string) =>
  OPEN_TO[door].some((prefix) => path.slice("src/".length).startsWith(prefix));

describe("the sources", () => {
  it("are found", () => {
    expect(SOURCES.map((source) => source.path)).toContain("src/index.ts");
  });

  it("go through no door that is not theirs", () => {
    const offences = SOURCES.flatMap(({ path, text }) =>
      passages(text)
        .filter(({ door }) => !mayPass(door, path))
        .map(({ door, line }) => `${path}:${line} ${door}`),
    );
    expect(offences).toEqual([]);
  });

  it("hold no door open that nobody uses", () => {
    const used = SOURCES.flatMap(({ path, text }) => passages(text).map(({ door }) => ({ path, door })));
    const unused = OPEN_TO["wall clock"].filter(
      (file) => !used.some(({ path, door }) => door === "wall clock" && path === `src/${file}`),
    );
    expect(unused).toEqual([]);
  });

  it("touch files where the table of who may says so, and nowhere by a way it does not see", () => {
    const config = readFileSync(".dependency-cruiser.cjs", "utf8");
    const table = /const TOUCHES_FILES = \{([^}]*)\}/.exec(config)?.[1] ?? "";
    const allowed = [...table.matchAll(/^ {2}"(src\/[^"]+)": "[^"]{4,}",$/gm)].map((row) => row[1]);
    const users = SOURCES.filter(({ path, text }) => !path.startsWith("src/safefs/") && /"(?:node:)?fs\b/.test(text));
    expect(allowed).toEqual(users.map(({ path }) => path));
    const hidden = SOURCES.filter(({ text }) => /\b(?:process\.binding|getBuiltinModule)\b/.test(text));
    expect(hidden.map(({ path }) => path)).toEqual([]);
  });

  it(`have at most ${MAX_LINES} lines each`, () => {
    const long = SOURCES.filter(({ text }) => lineCount(text) > MAX_LINES).map(({ path }) => path);
    expect(long).toEqual([]);
  });
});

describe("the reading of a source", () => {
  it.each([
    ["const a = process.env.HOME;", "environment"],
    ['const a = process["env"];', "environment"],
    ["const { env } = process;", "environment"],
    ["const { env: mine } = process;", "environment"],
    ["const a = globalThis.process.env;", "environment"],
    ["const a = process?.env;", "environment"],
    ["process.exit(1);", "exit"],
    ["const leave = process.exit;", "exit"],
    ["process.abort();", "exit"],
    ["const t = Date.now();", "wall clock"],
    ["const t = new Date();", "wall clock"],
    ["const t = new Date;", "wall clock"],
    ["const t = Date();", "wall clock"],
    ["const now = Date.now;", "wall clock"],
    ['import { env } from "node:process";', "process module"],
    ['import process from "process";', "process module"],
  ])("sees the door in %s", (text, door) => {
    expect(passages(`\n${text}\n`)).toEqual([{ door, line: 2 }]);
  });

  it.each([
    "// process.env and Date.now()",
    'const text = "process.exit(1)";',
    "process.exitCode = 1;",
    "const t = new Date(0);",
    "const t = performance.now();",
    "const a = settings.env;",
    "const a = process.platform;",
  ])("sees none in %s", (text) => {
    expect(passages(text)).toEqual([]);
  });

  it("counts lines as an editor does", () => {
    expect([lineCount("a\n"), lineCount("a\nb"), lineCount("a\nb\n\n")]).toEqual([1, 2, 3]);
  });
});
