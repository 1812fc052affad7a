// `iso-runtime doctor --attack`: what held each attack on this host, for people and for CI.
import type { Outcome, Verdict } from "../attack/attack.js";
import type { AttackReport } from "../attack/report.js";
import { type AttackOptions, runAttacks } from "../attack/run-attacks.js";
import type { AttackFlags } from "./attack-flags.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";
import { type Style, styleFor } from "./report/style.js";
import { orFault } from "./usage-error.js";

const GOT_THROUGH = 1;
const NAME_COLUMNS = 42;
const ERASE_LINE = "\r\x1b[K";

/** 0 when nothing got through, else 1; throws where no sandbox can be had and for what is wrong in the flags. */
export async function attackCommand(flags: AttackFlags, signal: AbortSignal): Promise<number> {
  const found = await orFault(flags.json, () => attack(flags, signal));
  if (flags.json) await writeOut(`${JSON.stringify(found)}\n`);
  else await writeOut(renderAttacks(found, styleFor(process.stdout, true)));
  return found.ok ? 0 : GOT_THROUGH;
}

async function attack({ backend, config, profile, require }: AttackFlags, signal: AbortSignal): Promise<AttackReport> {
  const given = Object.entries({ backend, config, profile, require }).filter(([, value]) => value !== undefined);
  const options: AttackOptions = { ...Object.fromEntries(given), signal, onVerdict: tellProgress };
  try {
    return await runAttacks(options);
  } finally {
    if (process.stderr.isTTY) process.stderr.write(ERASE_LINE);
  }
}

/** One line that is written over; where nobody watches, only what did not hold. */
function tellProgress({ name, outcome, evidence }: Verdict, done: number, all: number): void {
  const line = `attack ${done} of ${all}: ${oneLine(name, 60)}`;
  if (process.stderr.isTTY) process.stderr.write(`${ERASE_LINE}${line}`);
  else if (outcome === "got_through" || outcome === "unclear")
    process.stderr.write(`${line}: ${WORDS[outcome]}: ${oneLine(evidence, 300)}\n`);
}

const WORDS: Readonly<Record<Outcome, string>> = {
  held: "held",
  got_through: "got through",
  unprotected: "not held here, as the policy says",
  not_applicable: "not applicable here",
  unclear: "could not be judged",
};

export function renderAttacks(found: AttackReport, style: Style): string {
  const { backend, profile, python, attacks } = found;
  const where = `python ${oneLine(python.version, 40)}, ${oneLine(python.path, 200)}`;
  const head = `${style.bold(`attacks on ${oneLine(backend, 60)}`)}, profile ${oneLine(profile, 60)}, ${where}`;
  return `${[head, attacks.map((verdict) => renderVerdict(verdict, style)).join("\n"), conclusion(found, style)].join("\n\n")}\n`;
}

function renderVerdict({ name, outcome, heldBy, evidence, tries }: Verdict, style: Style): string {
  const marks: Record<Outcome, string> = {
    held: style.green("✓"),
    got_through: style.red("✗"),
    unprotected: style.yellow("!"),
    not_applicable: style.dim("–"),
    unclear: style.red("?"),
  };
  const by = outcome === "held" ? `held by ${heldBy ?? "the kernel itself"}` : WORDS[outcome];
  const line = `  ${marks[outcome]} ${oneLine(name, 80).padEnd(NAME_COLUMNS)} ${by}: ${style.dim(oneLine(evidence, 300))}`;
  return outcome === "got_through" || outcome === "unclear" ? `${line}\n      → it ${oneLine(tries, 300)}` : line;
}

function conclusion({ ok, totals, attacks }: AttackReport, style: Style): string {
  const counts = Object.entries(WORDS).flatMap(([outcome, word]) => {
    const count = attacks.filter((verdict) => verdict.outcome === outcome).length;
    return count === 0 ? [] : [`${count} ${word}`];
  });
  const mark = ok ? style.green("✓") : style.red("✗");
  const advice = ok
    ? []
    : ["Do not run code you do not trust with this engine until `iso-runtime doctor` and the lines above are mended."];
  const weaker =
    totals.unprotected === 0
      ? []
      : ["With --require (memory:kernel, processes:kernel, cpus:kernel) what is not held here is a failure."];
  return [`${mark} ${attacks.length} attacks: ${counts.join(", ")}`, ...advice, ...weaker].join("\n");
}
