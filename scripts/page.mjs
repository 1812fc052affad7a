// Makes the page of web/: files whose names have a hash of what is in them, the licences of what is in those, and a look at their weight.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUT = join(ROOT, "dist/page");
/** Of the whole page, the editor and the plots too, which are loaded later. */
const MOST_BYTES = 300_000;
/** Of what is loaded before anything is seen. */
const MOST_FIRST_BYTES = 80_000;

const packages = new Set();
const noteLicences = {
  name: "note-licences",
  generateBundle(_, chunks) {
    for (const { moduleIds = [] } of Object.values(chunks)) for (const id of moduleIds) packages.add(packageOf(id));
  },
};

await build({
  root: join(ROOT, "web"),
  configFile: false,
  logLevel: "warn",
  base: "/",
  plugins: [noteLicences],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    ...{ outDir: OUT, emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
    // A page that runs no script but its own files needs none that stands in it.
    modulePreload: { polyfill: false },
  },
});
packages.delete(null);
writeFileSync(join(OUT, "THIRD-PARTY-LICENSES.txt"), licences());

const html = readFileSync(join(OUT, "index.html"), "utf8");
const files = readdirSync(join(OUT, "assets")).map((name) => ({ name, bytes: packed(join(OUT, "assets", name)) }));
const all = files.reduce((sum, { bytes }) => sum + bytes, packed(join(OUT, "index.html")));
const first = files.filter(({ name }) => html.includes(name)).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(`page: ${kilobytes(all)} gzipped, ${kilobytes(first)} of it before anything is seen`);
if (all > MOST_BYTES || first > MOST_FIRST_BYTES) {
  for (const { name, bytes } of files) console.error(`  ${kilobytes(bytes)}  ${name}`);
  console.error(`page: it may have ${kilobytes(MOST_BYTES)} in all, and ${kilobytes(MOST_FIRST_BYTES)} at first`);
  process.exitCode = 1;
}

function packed(file) {
  return gzipSync(readFileSync(file), { level: 9 }).length;
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

/** What is in the page's files asks for its licence to go along. */
function licences() {
  const all = [...packages].sort().map((name) => {
    const folder = join(ROOT, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    return `${name} ${version} (${license})\n\n${file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  return all.join(`\n${"-".repeat(80)}\n\n`);
}

function packageOf(id) {
  return /[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(id)?.[1] ?? null;
}
