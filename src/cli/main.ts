#!/usr/bin/env node
// The command line's entrance: loads the program, with the code that V8 compiled for an earlier call, and ends the process.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "./compile-cache.js";
import { loadBuilt } from "./compiled-code.js";

/** Beside this file where it is built; a checkout that is not has modules. */
const BUILT = fileURLToPath(new URL("program.cjs", import.meta.url));

if (existsSync(BUILT)) {
  const { exports, keepCompiled } = loadBuilt<typeof import("./program.js")>(BUILT, cacheFolder());
  await exports.main();
  keepCompiled();
} else {
  const { main } = await import("./program.js");
  await main();
}
// Not when nothing is left to wait for: Node would take itself to pieces first. What was loaded beside us, as a tracer, may have last words.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
if (process.listenerCount("beforeExit") === 0) process.exit();
