// `iso-runtime doctor`: what works on this host, what does not, and the command that mends it.
import { fixHost, type HostReport, inspectHost } from "../harness/doctor.js";
import { ERRORS, IsoError } from "../model/errors.js";
import type { Check } from "../sandbox/backend.js";
import { processEnvironment } from "../settings/environment.js";
import { loadSettings } from "../settings/settings.js";
import { writeOut } from "./documents.js";
import { hostChecks } from "./host-checks.js";
import { oneLine } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

export interface DoctorFlags {
  backend?: string;
  config?: string;
  fix?: boolean;
  json?: boolean;
}

/** What `--json` prints: the harness's findings and those that come before any backend. */
export interface DoctorReport extends HostReport {
  /** True when a backend that was asked about works. */
  ok: boolean;
  node: string;
  host: Check[];
}

/** 0 when some backend works, or the one that `--backend` names; else 3. */
export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const found = await orFault(flags.json, () => examine(flags));
  if (flags.json) await writeOut(`${JSON.stringify(found)}\n`);
  else await writeOut(renderDoctor(found, styleFor(process.stdout, true)));
  return found.ok ? 0 : ERRORS.sandbox_unavailable.exit;
}

async function examine({ backend, config, fix }: DoctorFlags): Promise<DoctorReport> {
  const flags = config === undefined ? {} : { config };
  const settings = loadSettings({ flags, ...processEnvironment() });
  const host = hostChecks(settings);
  const basics = { node: process.version, host };
  // Without roots no backend can be asked: each keeps its sandboxes there.
  if (host.some((check) => check.status === "fail")) {
    const roots = { workspace: settings.workspaceRoot, sandbox: settings.sandboxRoot };
    return { ok: false, ...basics, backends: [], chosen: null, roots, notes: settings.notes };
  }
  if (fix) await fixHost(flags, (line) => process.stderr.write(`${oneLine(line, 500)}\n`));
  const found = await inspectHost(flags);
  const backends = only(found.backends, backend);
  return { ok: backends.some(({ usable }) => usable), ...basics, ...found, backends };
}

function only(all: HostReport["backends"], name: string | undefined): HostReport["backends"] {
  if (name === undefined || name === "auto") return all;
  const found = all.filter((backend) => backend.name === name);
  if (found.length > 0) return found;
  const list = ["auto", ...all.map((backend) => backend.name)].join(", ");
  throw new IsoError("invalid_request", `--backend: there is no backend "${name}". There are: ${list}`, {
    field: "backend",
  });
}

export function renderDoctor(found: DoctorReport, style: Style): string {
  const host = [style.bold("host"), ...found.host.flatMap((check) => renderCheck(check, style))].join("\n");
  const groups = found.backends.map(({ name, usable, checks }) => {
    const verdict = usable ? style.green("works here") : style.red("does not work here");
    return [`${style.bold(name)}  ${verdict}`, ...checks.flatMap((check) => renderCheck(check, style))].join("\n");
  });
  const notes = found.notes.map((note) => `${style.dim("note")} ${oneLine(note, 500)}`);
  return `${[host, ...notes, ...groups, conclusion(found, style)].join("\n\n")}\n`;
}

function conclusion({ chosen, backends, host }: DoctorReport, style: Style): string {
  if (chosen) return `${style.green("✓")} auto takes ${style.bold(chosen.name)}: ${oneLine(chosen.why, 500)}`;
  const cross = style.red("✗");
  if (backends.length > 0) return `${cross} auto finds no backend that works; mend one of the above`;
  const broken = host.filter(({ status }) => status === "fail").map(({ name }) => name);
  return `${cross} no backend was asked: mend ${broken.join(" and ")} first`;
}

function renderCheck({ name, status, message, fix }: Check, style: Style): string[] {
  const mark = { ok: style.green("✓"), warn: style.yellow("!"), fail: style.red("✗") }[status];
  const line = `  ${mark} ${name}: ${oneLine(message, 1000)}`;
  return fix === undefined
    ? [line]
    : [line, ...fix.split("\n").map((command) => `      ${style.cyan("→")} ${oneLine(command, 1000)}`)];
}
