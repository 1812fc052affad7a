// Where the built-in bundle is: beside the sources in a checkout, beside the compiled files in a package.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PLACES = ["../bundles/with-isoruntime", "../../examples/bundles/with-isoruntime"];

export function builtinBundleDir(): string {
  const [packed = "", source = ""] = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return existsSync(packed) ? packed : source;
}
