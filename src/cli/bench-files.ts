// Where `bench` writes its reports: looked at before anything is measured, as minutes of work must not end at a mistyped folder.
import { accessSync, constants, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { IsoError } from "../model/errors.js";

/** Throws IsoError `invalid_request` that names the flag where no file can be written there. */
export function checkPlace(path: string, flag: string): void {
  const folder = dirname(resolve(path));
  const wrong = (why: string) => usage(`${flag}: "${path}" cannot be written: ${why}`, flag);
  try {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw wrong(`there is no folder ${folder}`);
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw wrong("it is a folder");
    accessSync(there ? path : folder, constants.W_OK);
  } catch (error) {
    if (error instanceof IsoError) throw error;
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

/** Throws IsoError `internal` where it cannot be written after all. */
export function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IsoError("internal", `"${path}" cannot be written: ${why}`, { cause: error });
  }
}

function usage(message: string, field: string): IsoError {
  return new IsoError("invalid_request", message, { field, hint: "Name a file in a folder that is there." });
}
