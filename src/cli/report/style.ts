// Colours of the report, and the lack of them.
import pc from "picocolors";

export type Style = Pick<ReturnType<typeof pc.createColors>, "bold" | "dim" | "red" | "green" | "yellow" | "cyan">;

/** Colour where the stream is a terminal and nobody said no. FORCE_COLOR says yes, for pictures. */
export function styleFor(stream: { isTTY?: boolean }, wanted: boolean): Style {
  return pc.createColors(wanted && pc.isColorSupported && (stream.isTTY === true || pc.isColorSupported));
}

export const PLAIN: Style = pc.createColors(false);
