// Puts the built-in bundle beside the compiled files, where a package has it.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
rmSync(at("../dist/bundles/with-isoruntime"), { recursive: true, force: true });
cpSync(at("../examples/bundles/with-isoruntime"), at("../dist/bundles/with-isoruntime"), { recursive: true });
