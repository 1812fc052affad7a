// The description of the API passes a linter that is not ours. Which of its rules are off, and why, is in redocly.yaml.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { tempFiles } from "../support/temp.js";
import { bed } from "./bed.js";

const REDOCLY = createRequire(import.meta.url)
  .resolve("@redocly/cli/package.json")
  .replace("package.json", "bin/cli.js");
const CONFIG = fileURLToPath(new URL("redocly.yaml", import.meta.url));
// It would tell its makers of each use, and ask whether there is a newer one.
const QUIET = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", CI: "true", NO_COLOR: "1" };

function lint(document: string) {
  const file = join(tempFiles({ "openapi.json": document }), "openapi.json");
  const args = [REDOCLY, "lint", file, "--config", CONFIG, "--max-problems", "1000", "--format", "stylish"];
  const env = { PATH: process.env.PATH ?? "", HOME: join(file, ".."), ...QUIET };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

it("/openapi.json passes Redocly's linter, which would find a fault", async () => {
  const text = await (await bed().ask("/openapi.json", { user: "" })).text();
  const found = lint(text);
  expect(found.status, found.said).toBe(0);
  const broken = lint(text.replace('"operationId":"getRuns"', '"operationId":"postRuns"'));
  expect(broken.status, broken.said).not.toBe(0);
  expect(broken.said).toContain("operation-operationId-unique");
}, 60_000);
