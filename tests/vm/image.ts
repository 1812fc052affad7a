// The guest's disk and kernel, made once for each recipe and version of Node and kept in the tests' cache.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { testCache } from "../support/cache.js";

const RECIPE = fileURLToPath(new URL("make-image.sh", import.meta.url));
const AGENT = fileURLToPath(new URL("agent.py", import.meta.url));
const KEY_LENGTH = 12;

/** What this machine lacks to run the guest; null where it has all. */
export function whyNoGuest(): string | null {
  if (process.env.ISO_RUNTIME_TEST_NO_VM === "1") return "ISO_RUNTIME_TEST_NO_VM=1";
  if (process.platform !== "linux" || process.arch !== "x64") return "the guest is an x86_64 one with the host's Node";
  const needed = ["qemu-system-x86_64", "setpriv", ...(existsSync(folder()) ? [] : ["debootstrap", "mke2fs"])];
  const missing = needed.filter((program) => !isOnPath(program));
  if (missing.length > 0) return `this machine lacks ${missing.join(", ")}`;
  if (!existsSync(folder()) && process.getuid?.() !== 0) return "making the guest's disk needs root, once";
  return null;
}

/** A folder with disk.img, vmlinuz and initrd. */
export function provideImage(): string {
  const image = folder();
  if (existsSync(image)) return image;
  for (const old of readdirSync(testCache()).filter((name) => /^guest-[0-9a-f]{12}$/.test(name)))
    rmSync(join(testCache(), old), { recursive: true, force: true });
  console.warn("making the guest's disk, once (about a minute)");
  const making = mkdtempSync(`${image}-`);
  try {
    execFileSync("bash", [RECIPE, making, process.execPath, AGENT], { stdio: ["ignore", "pipe", "pipe"] });
    renameSync(making, image);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw error;
  }
  return image;
}

function folder(): string {
  const hash = createHash("sha256").update(process.version);
  for (const file of [RECIPE, AGENT]) hash.update(`\0${basename(file)}\0`).update(readFileSync(file));
  return join(testCache(), `guest-${hash.digest("hex").slice(0, KEY_LENGTH)}`);
}

function isOnPath(program: string): boolean {
  const folders = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`.split(":");
  return folders.some((at) => existsSync(join(at, program)));
}
