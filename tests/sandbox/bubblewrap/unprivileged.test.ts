// The same suites as an ordinary user, where this one is root: a user of his own is what most people are.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { removeTree } from "../../../src/safefs/remove.js";
import { canReach } from "../../../src/sandbox/linux/access.js";
import { isRoot, SYSTEM_PATH } from "./bed.js";

const USER = 4242;
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const VITEST = join(REPOSITORY, "node_modules/vitest/vitest.mjs");
const SUITES = ["backend", "isolation"].map((name) => `tests/sandbox/bubblewrap/${name}.test.ts`);

const owner = { uid: USER, gid: USER };
const possible =
  isRoot && existsSync("/usr/bin/setpriv") && canReach(owner, VITEST) && canReach(owner, process.execPath);
if (!possible)
  console.warn(
    "The bubblewrap suites are not repeated as another user: this one is no root, or that one cannot reach the checkout.",
  );

it.skipIf(!possible)("everything holds for an ordinary user", { timeout: 120_000 }, () => {
  accessSync(VITEST, constants.R_OK);
  const home = mkdtempSync(join(tmpdir(), "iso-user-"));
  onTestFinished(() => removeTree(home));
  const as = ["--reuid", String(USER), "--regid", String(USER), "--clear-groups"];
  const own = spawnSync("/usr/bin/chown", [String(USER), home]);
  expect(own.status).toBe(0);
  const env = { PATH: SYSTEM_PATH, HOME: home, TMPDIR: home, NO_COLOR: "1" };
  const vitest = [process.execPath, VITEST, "run", "--project", "unit", "--configLoader", "runner", ...SUITES];
  const ran = spawnSync("/usr/bin/setpriv", [...as, ...vitest], {
    cwd: REPOSITORY,
    env,
    encoding: "utf8",
    timeout: 110_000,
  });
  expect(ran.stdout + ran.stderr).toMatch(/Test Files {2}2 passed/);
  expect(ran.status).toBe(0);
});
