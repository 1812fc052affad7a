// `iso-runtime scenarios`: what `--scenario` may choose from.
import { builtinBundleDir } from "../bundles/builtin.js";
import { loadBundle } from "../bundles/bundle.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";
import { orFault } from "./usage-error.js";

export async function scenariosCommand(flags: { bundle?: string; json?: boolean }): Promise<number> {
  const bundle = await orFault(flags.json, () => loadBundle(flags.bundle ?? builtinBundleDir()));
  const list = bundle.scenarios.map(({ id, label, mode, timeoutMs, profile }) => ({
    ...{ id, label, mode, timeoutMs },
    ...(profile !== undefined && { profile }),
  }));
  if (flags.json) await writeOut(`${JSON.stringify(list)}\n`);
  else {
    const lines = list.map(({ id, label, mode, timeoutMs, profile }) => {
      const facts = [mode, `${timeoutMs / 1000} s`, profile && `profile ${profile}`].filter(Boolean).join(", ");
      return `${id.padStart(3)}. ${oneLine(label, 60).padEnd(36)} ${facts}`;
    });
    await writeOut(`${lines.join("\n")}\n\nRun one: iso-runtime run --scenario 0\n`);
  }
  return 0;
}
