// Where what takes long to make for the tests is kept between runs, outside the repository.
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export function testCache(): string {
  const cache =
    process.env.ISO_RUNTIME_TEST_CACHE ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "iso-runtime-test");
  mkdirSync(cache, { recursive: true });
  return cache;
}
