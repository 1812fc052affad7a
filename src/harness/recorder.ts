// Everything a run says while it runs, kept within bounds: streams for the result, logs on disk, findings for diagnostics, live events.
import { join } from "node:path";
import { InfraLog } from "../diagnostics/infra-log.js";
import { LogFile } from "../diagnostics/log-file.js";
import { LogScanner } from "../diagnostics/log-scanner.js";
import { StreamCapture } from "../diagnostics/stream-capture.js";
import { WholeCharacters } from "../diagnostics/whole-characters.js";
import type { EventInput } from "../model/events.js";
import { KEEP } from "../model/limits.js";
import type { StreamText } from "../model/result.js";
import type { RedactedStream, Redaction } from "./redaction/redaction.js";

const STREAMS = ["stdout", "stderr", "log"] as const;
type Stream = (typeof STREAMS)[number];

export class Recorder {
  readonly #userLog: LogFile;
  readonly #infraLog: InfraLog;
  readonly #scanner = new LogScanner();
  readonly #streams = { stdout: new StreamCapture(KEEP.streamBytes), stderr: new StreamCapture(KEEP.streamBytes) };
  readonly #told = { stdout: new WholeCharacters(), stderr: new WholeCharacters(), log: new WholeCharacters() };
  readonly #emit: ((event: EventInput) => void) | null;
  readonly #redaction: Redaction;
  readonly #clean: Record<Stream, RedactedStream>;
  /** What the program wrote, secrets and all. */
  readonly #written = { stdout: 0, stderr: 0, log: 0 };

  /** `dir` is a folder of the host's where no program can reach. `emit` is null where nobody hears of output while it comes. */
  constructor(dir: string, emit: ((event: EventInput) => void) | null, redaction: Redaction) {
    this.#userLog = new LogFile(join(dir, "user.log"));
    this.#infraLog = new InfraLog(join(dir, "infra.log"));
    this.#emit = emit;
    this.#redaction = redaction;
    this.#clean = { stdout: redaction.stream(), stderr: redaction.stream(), log: redaction.stream() };
  }

  output(stream: Stream, bytes: Buffer): void {
    this.#written[stream] += bytes.length;
    this.#keep(stream, this.#clean[stream].push(bytes));
  }

  #keep(stream: Stream, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#userLog.append(bytes);
    this.#scanner.push(bytes, stream);
    if (stream !== "log") this.#streams[stream].push(bytes);
    if (this.#emit !== null) this.#tell(stream, this.#told[stream].push(bytes));
  }

  /** The program writes no more: what may have been the beginning of a secret, or of a character, is told. */
  outputEnded(): void {
    for (const stream of STREAMS) {
      this.#keep(stream, this.#clean[stream].end());
      this.#tell(stream, this.#told[stream].end());
    }
  }

  #tell(stream: Stream, bytes: Buffer): void {
    if (bytes.length > 0) this.#emit?.({ type: "output", stream, bytes });
  }

  infra(source: string, line: string): void {
    this.#infraLog.append(source, this.#redaction.text(line));
  }

  get outputBytes(): number {
    return this.#written.stdout + this.#written.stderr + this.#written.log;
  }

  stream(name: "stdout" | "stderr"): StreamText {
    return { ...this.#streams[name].text(), bytes: this.#written[name] };
  }

  /** Ends the logs and says what is in them, and what of them the disk did not take or give. */
  async finish() {
    await this.#userLog.finish();
    await this.#infraLog.finish();
    const found = this.#scanner.finish();
    const troubles: string[] = [];
    const tail = (name: string, log: LogFile | InfraLog): string => {
      if (log.failure !== null) troubles.push(`${name} on disk is not whole: ${log.failure}`);
      try {
        return log.tail(KEEP.tailBytes);
      } catch (error) {
        troubles.push(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
        return "";
      }
    };
    return {
      ...found,
      userLog: tail("user.log", this.#userLog),
      infraLog: tail("infra.log", this.#infraLog),
      troubles,
    };
  }
}
