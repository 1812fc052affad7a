// Draws what a command prints, in colour, as docs/run.svg: `node scripts/picture.mjs -- run --scenario 4`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const args = process.argv.slice(process.argv.indexOf("--") + 1);
const COLOURS = {
  30: "#484f58",
  31: "#ff7b72",
  32: "#7ee787",
  33: "#e3b341",
  34: "#79c0ff",
  35: "#d2a8ff",
  36: "#76e3ea",
  37: "#c9d1d9",
  90: "#8b949e",
};
const [CHAR, LINE, PAD] = [8.4, 19, 20];

const roots = mkdtempSync(join(tmpdir(), "iso-picture-"));
const { stdout } = spawnSync(process.execPath, [at("../dist/cli/main.js"), ...args], {
  encoding: "utf8",
  env: {
    ...process.env,
    FORCE_COLOR: "1",
    COLUMNS: "100",
    ISO_RUNTIME_USER_WORKSPACE_ROOT: `${roots}/workspace`,
    ISO_RUNTIME_SANDBOX_ROOT: `${roots}/sandbox`,
  },
});
rmSync(roots, { recursive: true, force: true });

const escapeXml = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** One line's runs of text, each with what the codes before it say. */
function spans(line, style) {
  return line.split(/(\u001b\[[\d;]*m)/).map((part) => {
    const codes = /^\u001b\[([\d;]*)m$/.exec(part)?.[1];
    if (codes === undefined) {
      const look = [
        style.fill && `fill="${style.fill}"`,
        style.bold && 'font-weight="bold"',
        style.dim && 'opacity="0.6"',
      ].filter(Boolean);
      return part && `<tspan ${look.join(" ")}>${escapeXml(part)}</tspan>`;
    }
    for (const code of codes.split(";").map(Number)) {
      if (code === 0) Object.assign(style, { fill: null, bold: false, dim: false });
      if (code === 1) style.bold = true;
      if (code === 2) style.dim = true;
      if (code === 22) Object.assign(style, { bold: false, dim: false });
      if (code === 39) style.fill = null;
      if (COLOURS[code]) style.fill = COLOURS[code];
    }
    return "";
  });
}

const lines = [`$ iso-runtime ${args.join(" ")}`, ...stdout.replaceAll(roots, "~/data").trimEnd().split("\n")];
const style = { fill: null, bold: false, dim: false };
const width = Math.round(
  Math.max(...lines.map((line) => line.replace(/\u001b\[[\d;]*m/g, "").length)) * CHAR + 2 * PAD,
);
const height = lines.length * LINE + 2 * PAD;
const rows = lines.map(
  (line, index) => `<text x="${PAD}" y="${PAD + (index + 0.8) * LINE}">${spans(line, style).join("")}</text>`,
);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escape(lines[0])}</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#c9d1d9" xml:space="preserve">
${rows.join("\n")}
</g></svg>
`;
writeFileSync(at("../docs/run.svg"), svg);
