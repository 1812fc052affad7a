// What of an interpreter outside /usr a sandbox must see: the folders it is made of, read-only, and the links that lead to
// them. Never more of a prefix than Python uses: a virtual environment may be somebody's project folder.
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { IsoError } from "../../model/errors.js";
import type { Interpreter } from "./interpreter.js";

export interface InterpreterMounts {
  /** Real paths, the same on both sides. */
  readonly binds: readonly string[];
  readonly links: readonly { readonly at: string; readonly to: string }[];
}

const PARTS_OF_PREFIX = ["bin", "lib", "lib32", "lib64", "libexec", "share", "include", "ssl", "pyvenv.cfg"];
const MAX_LINKS = 40;
/** Where Nix and Guix keep the libraries of everything. */
const STORES = ["/nix/store", "/gnu/store"];

export function interpreterMounts(interpreter: Interpreter): InterpreterMounts {
  const { executable, prefix, basePrefix, execPrefix, standardLibrary } = interpreter;
  const links = new Map<string, string>();
  const real = (path: string): string => follow(path, links);

  const prefixes = [...new Set([prefix, basePrefix, execPrefix].map(real))].filter((path) => !isSystem(path));
  const parts = prefixes.flatMap((dir) =>
    PARTS_OF_PREFIX.map((part) => join(dir, part)).filter((path) => existsSync(path)),
  );
  const wanted = [...parts.map(real), real(standardLibrary)];
  const program = real(executable);
  if (!isSystem(program) && !wanted.some((dir) => isBelow(program, dir))) wanted.push(program);
  wanted.push(...STORES.filter((store) => isBelow(program, store)));

  const outside = [...new Set(wanted)].filter((path) => !isSystem(path));
  const binds = outside.filter((path) => !outside.some((other) => other !== path && isBelow(path, other)));
  refuseBroad(binds, interpreter);
  // A link that lies within a bound folder is there already.
  const missing = [...links].filter(([at]) => !isSystem(at) && !binds.some((dir) => isBelow(at, dir)));
  return { binds: binds.sort(), links: missing.map(([at, to]) => ({ at, to })) };
}

/** The real path, component by component; every link on the way is noted. */
function follow(path: string, links: Map<string, string>): string {
  let rest = resolve(path).split("/").filter(Boolean);
  let at = "/";
  for (let followed = 0; rest.length > 0; ) {
    const [name = "", ...after] = rest;
    const next = join(at, name);
    if (isLink(next) && followed < MAX_LINKS) {
      followed += 1;
      const target = readlinkSync(next);
      links.set(next, target);
      const goal = isAbsolute(target) ? target : join(at, target);
      rest = [...goal.split("/").filter(Boolean), ...after];
      at = "/";
    } else {
      at = next;
      rest = after;
    }
  }
  return at;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function isBelow(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith("/") ? dir : `${dir}/`);
}

/** What every sandbox sees anyway: /usr and the root's links into it. */
function isSystem(path: string): boolean {
  return (
    path === "/" || ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"].some((dir) => isBelow(path, dir))
  );
}

/** An executable that lies loose in a folder of other things is bound as a file; a folder as broad as a home never is. */
function refuseBroad(binds: readonly string[], { executable }: Interpreter): void {
  const broad = binds.find((path) => path.split("/").length < 3 && !STORES.includes(path));
  if (broad === undefined) return;
  throw new IsoError("sandbox_unavailable", `${executable} would need the whole of ${broad} inside the sandbox.`, {
    hint: "Use a Python with a folder of its own, as a virtual environment, or /usr/bin/python3.",
  });
}
