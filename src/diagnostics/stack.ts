// Turns the stack dump of a program that was stopped (CPython's faulthandler and, in its form, the runner on waiting tasks: "most
// recent call first") into a traceback as people know it: most recent call last, the snippet's own source lines, without the
// frames of the runner.
import { KEEP } from "../model/limits.js";
import { escapeControls } from "./printable.js";
import { truncateMiddle } from "./truncate.js";

const MAX_DUMP_CHARS = 256 * 1024;
const MAX_THREADS = 20;
const MAX_FRAMES = 100;
const MAX_SOURCE_CHARS = 300;

const THREAD =
  /^(Current thread|Thread) (0x[0-9a-fA-F]{1,16})(?: \[([^\]]{0,200})\])?[^(]{0,40}\(most recent call first\):\s*$/;
const TASK = /^Task "(.{0,200})" \(most recent call first\):$/;
const FRAME = /^ {2}File "(.{0,4096})", line (\d{1,9}|\?{3}) in (.{1,1024})$/;
const MORE = /^ {2}\.\.\.\s*$/;
/** The runner's outermost frame; in front of it stand the interpreter's own. */
const ENTRY = /(?:^|\/)iso_runner\/__main__\.py$/;
const RUNNER = /(?:^|\/)iso_runner\/[^/]+\.py$/;

interface Frame {
  file: string;
  line: number | null;
  name: string;
}
/** A thread, or a task that waits in an event loop. */
interface Thread {
  label: string;
  /** Oldest call first. */
  frames: Frame[];
  /** True where the dump itself was cut at its oldest end. */
  cut: boolean;
  isCurrent: boolean;
  isMain: boolean;
}

/** The dump as a traceback; "" where it shows no frame of the program. `code` is the snippet that ran as `mainPath`. */
export function formatStack(dump: string, code: string, mainPath: string): string {
  const threads = parse(dump.slice(0, MAX_DUMP_CHARS))
    .map((thread) => trim(thread, mainPath))
    .filter((thread) => thread.frames.length > 0);
  // A deep recursion hides the module's frame; the thread that answered the signal is the main one then.
  if (!threads.some((thread) => thread.isMain)) {
    for (const thread of threads) thread.isMain = thread.isCurrent;
  }
  // The thread of the module itself comes last, as the end of a text is what is read first.
  const ordered = [...threads.filter((thread) => !thread.isMain), ...threads.filter((thread) => thread.isMain)];
  const source = code.split(/\r\n|\r|\n/);
  const shown = ordered.slice(-MAX_THREADS);
  const blocks = shown.map((thread) => draw(thread, source, mainPath, ordered.length === 1 || thread.isMain));
  if (ordered.length > shown.length) blocks.unshift("… more threads and tasks …");
  return truncateMiddle(blocks.join("\n\n"), KEEP.tracebackBytes);
}

function parse(dump: string): Thread[] {
  const threads: Thread[] = [];
  for (const line of dump.split("\n")) {
    const start = readStart(line);
    if (start !== null) {
      threads.push({ ...start, frames: [], cut: false, isMain: false });
      continue;
    }
    const thread = threads.at(-1);
    if (thread === undefined) continue;
    const frame = FRAME.exec(line);
    if (frame !== null) {
      const number = Number(frame[2]);
      thread.frames.push({
        ...{ file: frame[1] ?? "", name: frame[3] ?? "" },
        line: Number.isSafeInteger(number) ? number : null,
      });
    } else if (MORE.test(line)) {
      thread.cut = true;
    }
  }
  for (const thread of threads) thread.frames.reverse();
  return threads;
}

function readStart(line: string): Pick<Thread, "label" | "isCurrent"> | null {
  const task = TASK.exec(line);
  if (task !== null) return { label: `Task ${task[1]}`, isCurrent: false };
  const thread = THREAD.exec(line);
  if (thread === null) return null;
  const [, kind, id, name] = thread;
  return { label: `Thread ${id}${name === undefined ? "" : ` [${name}]`}`, isCurrent: kind === "Current thread" };
}

/** Without the runner's frames: those before the module's own, those on top, and threads that are the runner's alone. */
function trim(thread: Thread, mainPath: string): Thread {
  const { frames } = thread;
  const module = frames.findIndex((frame) => frame.file === mainPath && frame.name === "<module>");
  const isRunners = module === -1 && !frames.some((frame) => frame.file === mainPath) && frames.some(isOurs);
  const entry = frames.findIndex((frame) => ENTRY.test(frame.file));
  const own = isRunners ? [] : withoutRunnersTop(frames.slice(Math.max(module, entry + 1)), mainPath);
  return { ...thread, frames: own, isMain: module !== -1, cut: thread.cut && module === -1 };
}

/** A program that waits for a tool stands in the runner and what that called; the traceback ends at the program's own call. */
function withoutRunnersTop(frames: Frame[], mainPath: string): Frame[] {
  const lastOwn = frames.findLastIndex((frame) => frame.file === mainPath);
  const top = frames.findIndex((frame, index) => index > lastOwn && isOurs(frame));
  return (top === -1 ? frames : frames.slice(0, top)).filter((frame) => !isOurs(frame));
}

function isOurs(frame: Frame): boolean {
  return RUNNER.test(frame.file);
}

function draw(thread: Thread, source: string[], mainPath: string, isTraceback: boolean): string {
  const title = isTraceback ? "Traceback" : escapeControls(thread.label);
  const lines = [`${title} (most recent call last):`];
  if (thread.cut) lines.push("  …");
  const left = thread.frames.length - MAX_FRAMES;
  thread.frames.forEach((frame, index) => {
    // The oldest and the newest calls tell most of a deep recursion.
    if (left > 0 && index === MAX_FRAMES / 2) lines.push(`  … ${left} more calls …`);
    if (left > 0 && index >= MAX_FRAMES / 2 && index < MAX_FRAMES / 2 + left) return;
    lines.push(`  File "${escapeControls(frame.file)}", line ${frame.line ?? "?"}, in ${escapeControls(frame.name)}`);
    const text = frame.file === mainPath && frame.line !== null ? source[frame.line - 1]?.trim() : undefined;
    if (text) lines.push(`    ${escapeControls(text.slice(0, MAX_SOURCE_CHARS), "\t")}`);
  });
  return lines.join("\n");
}
