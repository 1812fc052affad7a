// Small files of our own state that several processes may create at once: whole or absent, and the first one wins.

import { randomBytes } from "node:crypto";
import { type BigIntStats, linkSync, lstatSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { errnoOf } from "../safefs/errors.js";

/** The text stored at `path`; where there is none yet, `make()` becomes it, unless another process was first. */
export function readOrCreate(path: string, make: () => string): string {
  const found = readIfPresent(path);
  if (found !== null) return found;
  const temporary = `${path}.${randomBytes(8).toString("hex")}`;
  writeFileSync(temporary, make(), { mode: 0o600, flag: "wx" });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  } finally {
    unlinkSync(temporary);
  }
  return readFileSync(path, "utf8");
}

export function readIfPresent(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** Another one for each state of a file; empty where there is none. */
export function stampOf(path: string): string {
  const stats: BigIntStats | undefined = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? "" : stampFrom(stats);
}

export const stampFrom = ({ ino, size, ctimeNs }: BigIntStats): string => `${ino}:${size}:${ctimeNs}`;
