// The files of a run by plain calls, in the order a run has them: its folders are placed, what it made is looked at, copied into a new tree and
// put in the place of the old one, and its lines are written. Nothing is checked, locked, kept in doubt or recovered.
import { createHash } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export class FilesOfARun {
  #root;
  #count = 0;

  constructor(root) {
    this.#root = root;
    for (const name of ["live/out", "run/work", "run/out", "versions"])
      mkdirSync(join(root, name), { recursive: true });
    for (const name of ["owner", "history", "receipts", "user.log", "infra.log", "run/out/made"])
      this.#write(name, name);
  }

  /** One run's. Removing what is old is nobody's wait, and is not done here. */
  once() {
    const root = this.#root;
    const at = (name) => join(root, name);
    const number = String(this.#count++);
    linkSync(at("owner"), at("lock"));
    renameSync(at("run"), at("sandbox"));
    this.#write("sandbox/work/main.py", "print(1)");
    appendFileSync(at("receipts"), "{}\n");
    // What the program itself does.
    this.#write("sandbox/out/made", number);

    readdirSync(at("sandbox/work"));
    const found = readdirSync(at("sandbox/out")).map((name) => ({ name, stat: lstatSync(at(`sandbox/out/${name}`)) }));
    mkdirSync(at("next"));
    for (const { name, stat } of found) this.#copy(at(`sandbox/out/${name}`), at(`next/${name}`), stat.size);
    renameSync(at("live/out"), at(`versions/${number}`));
    renameSync(at("next"), at("live/out"));
    this.#write(`versions/${number}.json`, "{}");
    renameSync(at("sandbox"), at("run"));
    for (const name of ["user.log", "infra.log", "history", "receipts"]) appendFileSync(at(name), "{}\n");
    unlinkSync(at("lock"));
  }

  remove() {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #write(name, text) {
    writeFileSync(join(this.#root, name), text);
  }

  #copy(from, to, size) {
    const [source, target] = [openSync(from, "r"), openSync(to, "wx")];
    const bytes = Buffer.alloc(fstatSync(source).size || size);
    readSync(source, bytes);
    createHash("sha256").update(bytes).digest("hex");
    writeSync(target, bytes);
    closeSync(target);
    closeSync(source);
  }
}
