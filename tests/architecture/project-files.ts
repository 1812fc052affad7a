// The project's own files, by where they are and how their names end.
import { readdirSync } from "node:fs";

/** Below `folder`, sorted; "." takes the files of the root alone. */
export function projectFiles(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: folder !== ".", encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(ending) && !name.includes("node_modules"))
    .map((name) => (folder === "." ? name : `${folder}/${name}`))
    .sort();
}
