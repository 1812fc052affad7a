// What an error advises is read on the command line, in a library and over HTTP: below those it names fields, and a flag only in brackets beside.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { projectFiles } from "./project-files.js";

/** Where requests are met, whoever sent them. Settings and config files are the operator's, who has flags. */
const SHARED = ["bundles", "comm", "contract", "diagnostics", "harness", "model", "tools", "workspace"];
const COMMANDS = projectFiles("src/cli", ".ts").map((path) => readFileSync(path, "utf8"));
const FLAGS = new Set(COMMANDS.flatMap((text) => text.match(/(?<=\.option\("(?:-\w, )?)--[a-z-]+/g) ?? []));

const flagsIn = (text: string) =>
  [...text.matchAll(/^(?!\s*(?:\/\/|\*|\/\*)).*?(?<!\(`)(--[a-z][a-z-]+)/gm)]
    .map(([, flag = ""]) => flag)
    .filter((flag) => FLAGS.has(flag));

it("no advice that all surfaces share names a flag of the command line", () => {
  expect(FLAGS.size).toBeGreaterThan(20);
  const found = SHARED.flatMap((folder) => projectFiles(`src/${folder}`, ".ts")).flatMap((path) =>
    flagsIn(readFileSync(path, "utf8")).map((flag) => `${path}: ${flag}`),
  );
  expect(found).toEqual([]);
  expect(flagsIn('  hint: "Raise --timeout, or think."\n  // --timeout\n  "`timeoutMs` (`--timeout`)"')).toEqual([
    "--timeout",
  ]);
});
