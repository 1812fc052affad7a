// What a person sees while a run runs: its output as it comes, and a spinner while there is none.
import type { Ora } from "ora";
import type { RunEvent } from "../model/events.js";
import { oneLine, printable } from "./report/printable.js";
import { isColourful, type Style } from "./report/style.js";

const MAX_LIVE_CHARS = 1_000_000;

export class LiveView {
  readonly #style: Style | null;
  readonly #spinner: Ora | null;
  #shown = 0;
  #atLineStart = true;

  private constructor(style: Style | null, spinner: Ora | null) {
    this.#style = style;
    this.#spinner = spinner;
  }

  /** Without a style stdout belongs to a machine, and only the spinner is shown. */
  static async open(style: Style | null, colour: boolean): Promise<LiveView> {
    if (!hasWidth(process.stderr)) return new LiveView(style, null);
    const { default: ora } = await import("ora");
    const spinner = ora({
      ...{ text: "waiting for a sandbox", stream: process.stderr, discardStdin: false },
      ...(!isColourful(process.stderr, colour) && { color: false }),
    });
    return new LiveView(style, spinner.start());
  }

  show(event: RunEvent): void {
    // Runs of one workspace go one after another: this one may wait for another's end.
    if (event.type === "run.accepted") this.#status("waiting for the workspace and a sandbox");
    if (event.type === "run.started")
      this.#status(`running on ${event.backend}, profile ${oneLine(event.profile, 60)}`);
    if (event.type === "tool.called") this.#status(`waiting for ${oneLine(event.toolId, 60)}`);
    if (event.type === "tool.returned") this.#status("running");
    if (event.type === "output") this.#output(event.stream, event.text);
    if (event.type === "contract.checked") this.#status("keeping the files");
  }

  end(): void {
    this.#rest();
    if (!this.#atLineStart) process.stdout.write("\n");
    this.#atLineStart = true;
  }

  /** Even a spinner that rests already would move the cursor to the start of the line. */
  #rest(): void {
    if (this.#spinner?.isSpinning) this.#spinner.stop();
  }

  #status(text: string): void {
    if (this.#spinner) this.#spinner.text = text;
  }

  #output(stream: "stdout" | "stderr" | "log", text: string): void {
    if (!this.#style || this.#shown > MAX_LIVE_CHARS) return;
    this.#shown += text.length;
    const safe = printable(text);
    const style = this.#style;
    const mark = stream === "stdout" ? style.dim("│ ") : stream === "stderr" ? style.red("│ ") : style.cyan("│ ");
    const lines = safe.split("\n");
    let shown = "";
    for (const [index, line] of lines.entries()) {
      if (index > 0) {
        shown += "\n";
        this.#atLineStart = true;
      }
      if (line === "") continue;
      shown += (this.#atLineStart ? mark : "") + line;
      this.#atLineStart = false;
    }
    // A spinner draws over the line it is on, so it rests while that line is the program's.
    this.#rest();
    process.stdout.write(shown);
    if (this.#atLineStart) this.#spinner?.start();
    if (this.#shown > MAX_LIVE_CHARS)
      process.stdout.write(`\n${style.dim("… more output is not shown live; the log has it")}\n`);
  }
}

/** A terminal without a width (`script`, some CI) makes the spinner clear an endless number of lines. */
function hasWidth({ isTTY, columns }: { isTTY?: boolean; columns?: number }): boolean {
  return isTTY === true && columns !== undefined && columns > 0;
}
