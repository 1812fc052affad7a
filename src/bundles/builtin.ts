// Where the built-in bundle is: a package has it beside its code, a checkout among its examples.
import { existsSync } from "node:fs";
import { packageFile } from "../model/package-files.js";

const PLACES = ["dist/bundles/with-isoruntime", "examples/bundles/with-isoruntime"];

export function builtinBundleDir(): string {
  const [packed = "", source = ""] = PLACES.map((place) => packageFile(place));
  return existsSync(source) ? source : packed;
}
