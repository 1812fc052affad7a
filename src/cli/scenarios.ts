// `iso-runtime scenarios`: what `--scenario` may choose from.
import { builtinBundleDir } from "../bundles/builtin.js";
import { type Bundle, loadBundle } from "../bundles/bundle.js";
import { ERRORS, toIsoError } from "../model/errors.js";
import { writeOut } from "./documents.js";
import { oneLine } from "./report/printable.js";

export async function scenariosCommand(flags: { bundle?: string; json?: boolean }): Promise<number> {
  let bundle: Bundle;
  try {
    bundle = await loadBundle(flags.bundle ?? builtinBundleDir());
  } catch (thrown) {
    const error = toIsoError(thrown);
    process.stderr.write(`iso-runtime: ${oneLine(error.message, 2000)}\n${error.hint ? `${error.hint}\n` : ""}`);
    return ERRORS[error.code].exit;
  }
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
