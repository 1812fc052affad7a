// The account a program finds itself to be: what /etc says of the one uid and gid inside.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FileOwner } from "../model/instance.js";

export function accountFiles({ uid, gid }: FileOwner): Readonly<Record<"passwd" | "group", string>> {
  return {
    passwd: `sandbox:x:${uid}:${gid}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n`,
    group: `sandbox:x:${gid}:\nnogroup:x:65534:\n`,
  };
}

/** Puts such files in a folder, made where it is absent, for everybody to read whatever the caller's umask is. Returns their paths. */
export function writeReadableFiles(dir: string, files: Readonly<Record<string, string>>): string[] {
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o755);
  return Object.entries(files).map(([name, text]) => {
    const path = join(dir, name);
    writeFileSync(path, text);
    chmodSync(path, 0o644);
    return path;
  });
}
