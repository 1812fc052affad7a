// What the pages say about files is true: every file that one links is there.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileLinks } from "./markdown-links.js";
import { projectFiles } from "./project-files.js";

const PAGES = [".", "docs", "examples"].flatMap((folder) => projectFiles(folder, ".md"));

describe("the pages", () => {
  it("are found", () => {
    expect(PAGES).toContain("CONTRIBUTING.md");
  });

  it("link only files that are there", () => {
    const broken = PAGES.flatMap((page) =>
      fileLinks(readFileSync(page, "utf8"))
        .filter((target) => !existsSync(join(dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

describe("docs/settings.md", () => {
  const settings = readFileSync("docs/settings.md", "utf8");

  it("has every environment variable of ours that src reads", () => {
    const named = projectFiles("src/settings", ".ts").flatMap(
      (path) => readFileSync(path, "utf8").match(/\bISO_RUNTIME_[A-Z_]+/g) ?? [],
    );
    expect(named.length).toBeGreaterThan(5);
    expect([...new Set(named)].filter((name) => !settings.includes(`\`${name}\``))).toEqual([]);
  });
});

/** `workspace undo` has all flags that the subcommands of workspace have. */
const COMMANDS = [
  "run",
  "scenarios",
  "doctor",
  "bench",
  "serve",
  "workspace undo",
  ...["start", "stop", "status"].map((name) => `daemon ${name}`),
  ...["verify", "head", "show", "keygen"].map((name) => `receipts ${name}`),
  ...["create", "list", "revoke"].map((name) => `keys ${name}`),
];

describe("the command line", () => {
  const documented = flagsIn(readFileSync("docs/settings.md", "utf8"));

  it.each(COMMANDS)("has no flag of %s that docs/settings.md leaves out", (command) => {
    const printed = flagsIn(help(command));
    expect(printed).toContain("--json");
    expect(printed.filter((flag) => flag !== "--help" && !documented.includes(flag))).toEqual([]);
  });

  it("has the defaults of serve that docs/settings.md says", () => {
    const text = help("serve").replace(/\s+/g, " ");
    const defaults = [...text.matchAll(/(--[a-z-]+)(?:(?! --[a-z]).)*\(default: "([^"]+)"\)/g)];
    expect(defaults.length).toBeGreaterThan(8);
    const page = readFileSync("docs/settings.md", "utf8");
    const rows = page.slice(page.indexOf("`iso-runtime serve` is"), page.indexOf("`iso-runtime keys` looks"));
    const said = (flag: string) => rows.match(new RegExp(`^\\| \`${flag} .*\\| (.*) \\|$`, "m"))?.[1];
    for (const [, flag = "", value = ""] of defaults) expect(said(flag)?.replaceAll("`", ""), flag).toBe(value);
  });

  it("has every flag that docs/settings.md names", () => {
    const printed = COMMANDS.flatMap((command) => flagsIn(help(command)));
    expect(documented.filter((flag) => !printed.includes(flag))).toEqual([]);
  });
});

describe("the reading of a page", () => {
  it("finds the links to files", () => {
    const page = [
      'See [one](docs/one.md#part), ![two](img/two.svg "Two") and [three][3].',
      "[3]: ../three.md",
      '<p><img width="9" src="four.png"></p>',
      "Not [web](https://example.org/a.md), [here](#part) or `[code](code.md)`.",
      "```md\n[fenced](fenced.md)\n```",
    ].join("\n");
    expect(fileLinks(page).sort()).toEqual(["../three.md", "docs/one.md", "four.png", "img/two.svg"]);
  });
});

/** Long flags by name, each once. */
function flagsIn(text: string): string[] {
  return [...new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g))];
}

function help(command: string): string {
  return execFileSync(
    process.execPath,
    ["--import", "jiti/register", "src/cli/main.ts", ...command.split(" "), "--help"],
    {
      encoding: "utf8",
    },
  );
}
