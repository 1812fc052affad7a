// Files of this package that are no code: where they lie does not depend on how the code is laid out. This module stands two folders
// below the package's, as a source and as what is built of it (scripts/bundle.mjs sees to it).
import { fileURLToPath } from "node:url";

/** An absolute path without a final slash; `path` is relative to the package, as in its description's `files`. */
export function packageFile(path = ""): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url)).replace(/\/$/, "");
}
