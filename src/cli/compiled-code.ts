// Loads the built program with the code that V8 compiled in an earlier call: a run would else spend a third of Node's time on compiling.
// Node does that by itself from 22.8 on; before, its `vm` can be told to. What is kept is run without being read again: only a folder
// that nobody else can have written to will do.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import * as nodeModule from "node:module";
import { basename, dirname, join } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";

/** At the end of each built file: a digest of all before it. */
const DIGEST = /\n\/\/ ([0-9a-f]{64})\n$/;
/** Imports for the others what is a module of the newer format, which code that was kept cannot. Node itself loads it. */
const IMPORTER = "./import.cjs";
const PARAMETERS = "exports, require, module, __filename, __dirname";

export interface Built<Exports> {
  exports: Exports;
  /** For the next call, where this one had to compile. To be called last: what was not called by then is not compiled. */
  keepCompiled(): void;
}

/** `folder` is where compiled code may be kept; null: nowhere. */
export function loadBuilt<Exports extends object>(file: string, folder: string | null): Built<Exports> {
  const enable: unknown = Reflect.get(nodeModule, "enableCompileCache");
  if (typeof enable !== "function") {
    const files = new BuiltFiles(folder);
    return { exports: files.load(file) as Exports, keepCompiled: () => files.keep() };
  }
  if (folder !== null) enable(folder);
  return { exports: nodeModule.createRequire(file)(file), keepCompiled: () => undefined };
}

interface Compiled {
  readonly script: Script;
  readonly digest: string;
  readonly kept: string;
}

/** Files in Node's older format, which require each other by relative paths, and packages by name. */
export class BuiltFiles {
  readonly #folder: string | null;
  readonly #modules = new Map<string, { exports: object }>();
  readonly #fresh: Compiled[] = [];

  constructor(folder: string | null) {
    this.#folder = folder;
  }

  load(path: string): object {
    const known = this.#modules.get(path);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    this.#modules.set(path, module);
    const byNode = nodeModule.createRequire(path);
    const isOurs = (name: string) => name.startsWith("./") && name !== IMPORTER;
    const require = (name: string) => (isOurs(name) ? this.load(join(dirname(path), name)) : byNode(name));
    this.#compile(path).runInThisContext()(module.exports, require, module, path, dirname(path));
    return module.exports;
  }

  /** A cache that cannot be written is none; nothing is said of it. */
  keep(): void {
    for (const { script, digest, kept } of this.#fresh.splice(0)) {
      const written = `${kept}.${process.pid}`;
      try {
        const code = script.createCachedData();
        writeFileSync(written, Buffer.concat([Buffer.from(headOf(digest, code)), code]), { mode: 0o600, flag: "wx" });
        renameSync(written, kept);
      } catch {
        rmSync(written, { force: true });
      }
    }
  }

  #compile(path: string): Script {
    const source = readFileSync(path, "utf8");
    const digest = DIGEST.exec(source.slice(-80))?.[1];
    const kept = this.#folder === null || digest === undefined ? null : join(this.#folder, keptName(path));
    const code = kept === null || digest === undefined ? null : readKept(kept, digest);
    const script = new Script(`(function (${PARAMETERS}) {${source}\n})`, {
      filename: path,
      ...(code !== null && { cachedData: code }),
    });
    // It is refused where another V8 made it, or one with other flags.
    const isUsed = code !== null && script.cachedDataRejected === false;
    if (!isUsed && kept !== null && digest !== undefined) this.#fresh.push({ script, digest, kept });
    return script;
  }
}

/** What stands before kept code: for which source, and that it is whole. V8 would run damaged code, and crash in each call. */
const headOf = (digest: string, code: Buffer): string => `${digest} ${code.length} ${crc32(code)}\n`;

function readKept(kept: string, digest: string): Buffer | null {
  try {
    const found = readFileSync(kept);
    const head = found.subarray(0, found.indexOf("\n") + 1);
    const code = found.subarray(head.length);
    return head.toString("latin1") === headOf(digest, code) ? code : null;
  } catch {
    return null;
  }
}

/** One for each file of each installed package, written over by that package's next version; of another Node another one. */
function keptName(path: string): string {
  const place = Buffer.from(dirname(path)).toString("base64url").slice(-100);
  return `${place}-${basename(path)}-${process.version}-${process.arch}`;
}
