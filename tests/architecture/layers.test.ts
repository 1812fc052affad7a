// The rules of .dependency-cruiser.cjs bite: a tree that breaks each of them once is cruised by the same rules that `npm run check` uses.
import { symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { cruise, type ICruiseOptions, type IFlattenedRuleSet } from "dependency-cruiser";
import { describe, expect, it } from "vitest";
import { tempFiles } from "../support/temp.js";

const config = createRequire(import.meta.url)("../../.dependency-cruiser.cjs") as {
  forbidden: { name: string }[];
  options: ICruiseOptions;
};

/** Rule, file that breaks it, and what that file imports to do so. */
const OFFENCES: [string, string, string][] = [
  ["layer-model", "src/model/a.ts", "../safefs/target.js"],
  ["layer-safefs", "src/safefs/a.ts", "../diagnostics/target.js"],
  ["layer-sandbox", "src/sandbox/a.ts", "../workspace/target.js"],
  ["layer-workspace", "src/workspace/a.ts", "../sandbox/target.js"],
  ["layer-contract", "src/contract/a.ts", "../tools/target.js"],
  ["layer-tools", "src/tools/a.ts", "../comm/target.js"],
  ["layer-diagnostics", "src/diagnostics/a.ts", "../comm/target.js"],
  ["layer-comm", "src/comm/a.ts", "../harness/target.js"],
  ["layer-records", "src/records/a.ts", "../settings/target.js"],
  ["layer-settings", "src/settings/a.ts", "../bundles/target.js"],
  ["layer-settings", "src/settings/b.ts", "../sandbox/target.js"],
  ["layer-bundles", "src/bundles/a.ts", "../harness/target.js"],
  ["layer-harness", "src/harness/a.ts", "../cli/target.js"],
  ["layer-attack", "src/attack/a.ts", "../cli/target.js"],
  ["layer-attack", "src/attack/b.ts", "../sandbox/target.js"],
  ["layer-bench", "src/bench/a.ts", "../cli/target.js"],
  ["layer-bench", "src/bench/b.ts", "../sandbox/target.js"],
  ["layer-http", "src/http/a.ts", "../cli/target.js"],
  ["layer-http", "src/http/b.ts", "../workspace/target.js"],
  ["layer-cli", "src/cli/a.ts", "../workspace/target.js"],
  ["layer-cli", "src/cli/b.ts", "../diagnostics/target.js"],
  ["no-unknown-folder", "src/utils/a.ts", "../model/target.js"],
  ["lowest-layer-packages", "src/model/b.ts", "uuidv7"],
  ["home-of-ajv", "src/tools/b.ts", "ajv"],
  ["home-of-ajv-formats", "src/tools/c.ts", "ajv-formats"],
  ["home-of-csv-parse", "src/tools/d.ts", "csv-parse"],
  ["home-of-file-type", "src/tools/e.ts", "file-type"],
  ["home-of-mime", "src/tools/f.ts", "mime"],
  ["home-of-dockerode", "src/sandbox/bubblewrap/a.ts", "dockerode"],
  ["home-of-tar-stream", "src/sandbox/bubblewrap/b.ts", "tar-stream"],
  ["home-of-hono", "src/harness/f.ts", "hono"],
  ["home-of-@hono/node-server", "src/cli/d.ts", "@hono/node-server"],
  ["home-of-@hono/zod-openapi", "src/harness/g.ts", "@hono/zod-openapi"],
  ["home-of-commander", "src/harness/b.ts", "commander"],
  ["home-of-yazl", "src/harness/h.ts", "yazl"],
  ["home-of-libsql", "src/harness/i.ts", "libsql"],
  ["home-of-ora", "src/harness/d.ts", "ora"],
  ["home-of-picocolors", "src/harness/e.ts", "picocolors"],
  ["layer-client", "src/client/a.ts", "../harness/target.js"],
  ["client-is-by-itself", "src/client/b.ts", "../model/target.js"],
  ["client-is-by-itself", "src/client/c.ts", "zod"],
  ["client-is-by-itself", "src/client/d.ts", "node:util"],
  ["nobody-imports-the-client", "src/cli/e.ts", "../client/target.js"],
  ["nobody-imports-the-entrance", "src/cli/c.ts", "../index.js"],
  ["index-exports-no-command", "src/index.ts", "./cli/target.js"],
  ["processes-have-their-doors", "src/sandbox/b.ts", "node:child_process"],
  ["files-have-their-doors", "src/tools/g.ts", "node:fs"],
  ["files-have-their-doors", "src/workspace/b.ts", "node:fs/promises"],
  ["files-have-their-doors", "src/contract/b.ts", "fs"],
  ["files-have-their-doors", "src/sandbox/bubblewrap/c.ts", "fs/promises"],
  ["resolvable", "src/records/b.ts", "./gone.js"],
  ["src-needs-no-tests", "src/records/c.ts", "../../tests/target.js"],
  ["the-page-takes-types-alone", "web/src/a.ts", "../../src/model/target.js"],
  ["src-needs-no-dev-package", "src/records/d.ts", "fast-check"],
];

/** What the same importers may have. */
const ALLOWED: [string, string][] = [
  ["src/model/ok.ts", "zod"],
  ["src/safefs/ok.ts", "../model/target.js"],
  ["src/settings/ok.ts", "../sandbox/profile.js"],
  ["src/harness/ok.ts", "../workspace/target.js"],
  ["src/cli/ok.ts", "../harness/target.js"],
  ["src/cli/ok3.ts", "../http/target.js"],
  ["src/http/ok.ts", "hono"],
  ["src/cli/ok2.ts", "../diagnostics/printable.js"],
  ["src/sandbox/linux/spawn.ts", "node:child_process"],
  ["src/safefs/ok2.ts", "node:fs"],
  ["src/workspace/layout.ts", "node:fs"],
  ["src/sandbox/docker/ok.ts", "dockerode"],
];

const PLAIN = "export const here = 1;\n";

async function violations(files: Map<string, string>): Promise<Map<string, string[]>> {
  const root = tempFiles(Object.fromEntries(files));
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  symlinkSync(resolve("package.json"), join(root, "package.json"));
  // The paths of the rules are relative to the base, so the tree there stands for the project's own.
  const { tsConfig: _, ...options } = config.options as ICruiseOptions & { tsConfig?: unknown };
  const rules = config as unknown as IFlattenedRuleSet;
  const report = await cruise(["src", "web"], { ...options, baseDir: root, validate: true, ruleSet: rules });
  if (typeof report.output === "string") throw new Error("a report as text was not asked for");
  const byRule = new Map<string, string[]>();
  for (const { rule, from } of report.output.summary.violations)
    byRule.set(rule.name, [...(byRule.get(rule.name) ?? []), from]);
  return byRule;
}

const importing = (specifier: string) => `import * as it from "${specifier}";\nexport const used = it;\n`;

const FOLDERS =
  "model safefs sandbox workspace contract tools diagnostics comm records settings bundles harness attack bench http client cli";
const targets = (): Map<string, string> =>
  new Map([
    ...FOLDERS.split(" ").map((folder): [string, string] => [`src/${folder}/target.ts`, PLAIN]),
    ["src/sandbox/profile.ts", PLAIN],
    ["src/diagnostics/printable.ts", PLAIN],
    ["src/index.ts", PLAIN],
    ["tests/target.ts", PLAIN],
    ["web/src/target.ts", PLAIN],
  ]);

describe("the rules of the layers", () => {
  it("names every offence, by the rule it breaks", async () => {
    const files = targets();
    for (const [, path, specifier] of OFFENCES) files.set(path, importing(specifier));
    files.set("src/comm/one.ts", 'import type { Two } from "./two.js";\nexport type One = { two: Two };\n');
    files.set("src/comm/two.ts", 'import type { One } from "./one.js";\nexport type Two = { one: One | null };\n');
    const found = await violations(files);
    for (const [rule, path, specifier] of OFFENCES)
      expect(found.get(rule) ?? [], `${path} imports ${specifier}`).toContain(path);
    expect(found.get("no-cycle"), "types that need each other").toContain("src/comm/one.ts");
  });

  it("has an offence here for every rule", () => {
    const proven = new Set([...OFFENCES.map(([rule]) => rule), "no-cycle"]);
    expect(config.forbidden.map((rule) => rule.name).filter((name) => !proven.has(name))).toEqual([]);
  });

  it("leaves alone what is allowed", async () => {
    const files = targets();
    for (const [path, specifier] of ALLOWED) files.set(path, importing(specifier));
    files.set("web/src/ok.ts", 'import type { Two } from "../../src/model/target.js";\nexport type Own = Two;\n');
    expect(Object.fromEntries(await violations(files))).toEqual({});
  });
});
