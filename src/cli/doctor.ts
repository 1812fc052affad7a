// `iso-runtime doctor`: what works on this host, what does not, and the command that mends it.
import { fixHost, type HostReport, inspectHost } from "../harness/doctor.js";
import { ERRORS, toIsoError } from "../model/errors.js";
import type { Check } from "../sandbox/backend.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";

export interface DoctorFlags {
  backend?: string;
  config?: string;
  fix?: boolean;
  json?: boolean;
}

/** 0 when some backend works, else 3. */
export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const { backend, config } = flags;
  const settings = { ...(backend !== undefined && { backend }), ...(config !== undefined && { config }) };
  try {
    if (flags.fix) await fixHost(settings, (line) => process.stderr.write(`${oneLine(line, 500)}\n`));
    const found = await inspectHost(settings);
    const usable = found.backends.some((candidate) => candidate.usable);
    if (flags.json) await writeOut(`${JSON.stringify({ ok: usable, node: process.version, ...found })}\n`);
    else await writeOut(renderDoctor(found, styleFor(process.stdout, true)));
    return usable ? 0 : ERRORS.sandbox_unavailable.exit;
  } catch (thrown) {
    const error = toIsoError(thrown);
    const { message, hint } = error;
    if (flags.json)
      await writeOut(`${JSON.stringify({ ok: false, error: { code: error.code, message, hint: hint ?? null } })}\n`);
    process.stderr.write(`iso-runtime: ${oneLine(message, 2000)}\n${hint ? `${hint}\n` : ""}`);
    return ERRORS[error.code].exit;
  }
}

export function renderDoctor(found: HostReport, style: Style): string {
  const groups = found.backends.map(({ name, usable, checks }) => {
    const verdict = usable ? style.green("works here") : style.red("does not work here");
    return [`${style.bold(name)}  ${verdict}`, ...checks.flatMap((check) => renderCheck(check, style))].join("\n");
  });
  const chosen = found.chosen
    ? `${style.green("✓")} auto takes ${style.bold(found.chosen.name)}: ${oneLine(found.chosen.why, 500)}`
    : `${style.red("✗")} auto finds no backend that works; mend one of the above`;
  const roots = `workspaces in ${oneLine(found.roots.workspace, 300)}\nsandboxes in  ${oneLine(found.roots.sandbox, 300)}`;
  const notes = found.notes.map((note) => `${style.dim("note")} ${oneLine(note, 500)}`);
  return `${[`Node ${process.version}`, roots, ...notes, ...groups, chosen].join("\n\n")}\n`;
}

function renderCheck({ name, status, message, fix }: Check, style: Style): string[] {
  const mark = { ok: style.green("✓"), warn: style.yellow("!"), fail: style.red("✗") }[status];
  const line = `  ${mark} ${name}: ${oneLine(message, 1000)}`;
  return fix === undefined
    ? [line]
    : [line, ...fix.split("\n").map((command) => `      ${style.cyan("→")} ${oneLine(command, 1000)}`)];
}
