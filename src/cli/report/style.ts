// Colours of the report, and the lack of them.
import pc from "picocolors";
import { processEnvironment } from "../../settings/environment.js";

export type Style = Pick<ReturnType<typeof pc.createColors>, "bold" | "dim" | "red" | "green" | "yellow" | "cyan">;

/** Colour where this very stream is a terminal and nobody said no. FORCE_COLOR says yes, for pictures. */
export function styleFor(
  stream: { isTTY?: boolean },
  wanted: boolean,
  env: Readonly<Record<string, string | undefined>> = processEnvironment().env,
): Style {
  return pc.createColors(isColourful(stream, wanted, env));
}

export const PLAIN: Style = pc.createColors(false);

/** picocolors' own guess is about stdout alone, and takes CI and words of the snippet's arguments for a yes. */
export function isColourful(
  { isTTY }: { isTTY?: boolean },
  wanted: boolean,
  { NO_COLOR, FORCE_COLOR, TERM }: Readonly<Record<string, string | undefined>> = processEnvironment().env,
): boolean {
  if (!wanted || NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== "0";
  return isTTY === true && TERM !== "dumb";
}
