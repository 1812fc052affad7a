// Makes the package's code from src: a file for each entrance, and a few that they share or that a command loads when it needs them. Node
// reads one file in a tenth of the time that the hundred modules in it take. The command line is made by itself, in Node's older format,
// whose compiled code can be kept (src/cli/compiled-code.ts). Types are the compiler's (tsconfig.build.json).
import { createHash } from "node:crypto";
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { parseAst } from "rolldown/parseAst";
import { Visitor } from "rolldown/utils";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "dist");
const ENTRANCES = ["index", "client/index"];
/** The command line's own entrance, which loads its program. */
const COMMAND = "cli/main";
const PROGRAM = "cli/program";
/** Small, and needed by nearly every run. Other dependencies stay outside, where npm updates them; each is loaded by what needs it. */
const BUNDLED = ["@opentelemetry/api", "commander", "mime", "picocolors", "uuidv7", "zod"];
/** Modules that are loaded together lie together, each with what it imports that is in no group before. The rest is split as it is imported. */
const GROUPS = [
  // What every command line needs, and all of one that a resident engine serves.
  {
    name: "cli",
    of: /\/src\/cli\/(?:run|runner|flags|[\w-]+-commands|usage-error|report\/[\w-]+|daemon\/(?:client|connection))\.ts$/,
  },
  { name: "result", of: /\/src\/harness\/result\.ts$/ },
  // By itself: what is set for it must be set before anything is made with it.
  { name: "zod", of: /\/node_modules\/zod\// },
  { name: "runtime", of: /\/src\/harness\/(?:runtime|request)\.ts$/ },
];
const NOTHING = "\0nothing";
const ENGLISH = "\0english";

const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const outside = Object.keys(dependencies).filter((name) => !BUNDLED.includes(name));
const inGroups = {
  groups: GROUPS.map(({ name, of }, index) => ({ name, test: of, priority: GROUPS.length - index })),
};

const modules = await build([...ENTRANCES, ...takenHoldOf()], {
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
  codeSplitting: inGroups,
});
const entrance = await build([COMMAND], { format: "esm", entryFileNames: "[name].js", codeSplitting: false });
const program = await build([PROGRAM], {
  format: "cjs",
  entryFileNames: "[name].cjs",
  chunkFileNames: "cli/[name].cjs",
  codeSplitting: inGroups,
});
writeFileSync(join(DIST, "cli/import.cjs"), "exports.load = (name) => import(name);\n");
const chunks = [...modules, ...entrance, ...program];
// By where it stands src/model/package-files.ts finds the package's files.
for (const { fileName, moduleIds } of chunks) {
  const isThere = moduleIds.includes(join(ROOT, "src/model/package-files.ts"));
  if (isThere && fileName.split("/").length !== 2) throw new Error(`${fileName} must be two folders below the package`);
}
for (const { fileName } of program) {
  const code = importElsewhere(readFileSync(join(DIST, fileName), "utf8"));
  // For who keeps compiled code: what it was compiled from.
  writeFileSync(join(DIST, fileName), `${code}\n// ${createHash("sha256").update(code).digest("hex")}\n`);
}
writeFileSync(join(DIST, "THIRD-PARTY-LICENSES.txt"), licences(chunks));
chmodSync(join(DIST, "cli/main.js"), 0o755);
copyApiPage();
cpSync(join(ROOT, "examples/bundles/with-isoruntime"), join(DIST, "bundles/with-isoruntime"), { recursive: true });

async function build(names, options) {
  const bundle = await rolldown({
    input: Object.fromEntries(names.map((name) => [name, join(ROOT, "src", `${name}.ts`)])),
    platform: "node",
    // The oldest Node of package.json's `engines` does not know `using`.
    transform: { target: "es2022" },
    plugins: [
      {
        name: "no-processes",
        resolveId: nothingForCommander,
        load: (id) => (id === NOTHING ? "export default {}" : null),
      },
      {
        // Zod brings its messages in fifty languages, a sixth of all that a command reads; ours are written here, in one.
        name: "one-language",
        resolveId: (id, importer) =>
          id === "../locales/index.js" && packageOf(importer ?? "") === "zod" ? ENGLISH : null,
        load: (id) => (id === ENGLISH ? "export {}" : null),
      },
    ],
    external: (id, importer) =>
      (id.startsWith("node:") && nothingForCommander(id, importer) === null) ||
      // The entrance loads the other one as it is built.
      (id === "./program.js" && importer === join(ROOT, "src", `${COMMAND}.ts`)) ||
      outside.some((name) => id === name || id.startsWith(`${name}/`)),
  });
  const { output } = await bundle.write({ dir: DIST, sourcemap: true, ...options });
  await bundle.close();
  return output.filter(({ type }) => type === "chunk");
}

/** Code that was compiled in an earlier process cannot import: Node does not know whose it is. src/cli/compiled-code.ts loads what does. */
function importElsewhere(code) {
  const places = [];
  new Visitor({ ImportExpression: ({ start }) => places.push(start) }).visit(parseAst(code));
  let changed = code;
  for (const start of places.sort((a, b) => b - a)) {
    changed = `${changed.slice(0, start)}require("./import.cjs").load${changed.slice(start + "import".length)}`;
  }
  return changed;
}

/** What /docs shows, with its licences: whoever installs the package needs nothing more for it. */
function copyApiPage() {
  const from = join(ROOT, "node_modules/swagger-ui-dist");
  const names = ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE"];
  for (const name of names) cpSync(join(from, name), join(DIST, "api-docs", name));
}

/** Commander's subcommands that are programs of their own, which we have none of, load a tenth of Node. */
function nothingForCommander(id, importer) {
  return id === "node:child_process" && importer && packageOf(importer) === "commander" ? NOTHING : null;
}

/** What tests and benchmarks import of a built package beside its entrances: names for the very modules that the entrances use. */
function takenHoldOf() {
  const found = new Set();
  const below = (folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(ROOT, folder, name));
  for (const file of ["bench", "tests"].flatMap(below).filter((name) => /\.(?:mjs|ts)$/.test(name))) {
    for (const [, path] of readFileSync(file, "utf8").matchAll(/ from "((?:\.\.\/)+dist\/[\w/-]+)\.js"/g)) {
      found.add(relative(DIST, resolve(dirname(file), path)));
    }
  }
  return [...found].filter((name) => !ENTRANCES.includes(name)).sort();
}

/** The licences of the packages whose code is in the chunks; each asks for it. */
function licences(all) {
  const names = new Set(all.flatMap(({ moduleIds }) => moduleIds.map(packageOf)).filter((name) => name !== null));
  const unknown = [...names].filter((name) => !BUNDLED.includes(name));
  if (unknown.length > 0) throw new Error(`bundled without being meant to: ${unknown.join(", ")}`);
  return BUNDLED.map((name) => {
    const folder = join(ROOT, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}

function packageOf(id) {
  return /[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(id)?.[1] ?? null;
}
