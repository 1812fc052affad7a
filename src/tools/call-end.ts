// That something is waited for no longer, and why. What ends a run ends each of its calls with it.
import type { ToolErrorCode } from "../model/errors.js";
import { ToolFailure } from "./define-tool.js";

/**
 * It is told once, to whoever listens. An AbortSignal is made of it only for who asks for one: of two that are joined the making alone
 * takes longer than all else a short call does.
 */
export class CallEnd {
  /** Of the run a call belongs to. */
  readonly #run: CallEnd | null;
  readonly #listeners = new Set<(reason: ToolFailure) => void>();
  #why: { code: ToolErrorCode; message: string } | null = null;
  #reason: ToolFailure | null = null;
  #controller: AbortController | null = null;

  constructor(run: CallEnd | null = null) {
    this.#run = run;
  }

  /** Null while it goes on. Made when it is asked for: most runs end without a call. */
  get reason(): ToolFailure | null {
    if (this.#why !== null) this.#reason ??= new ToolFailure(this.#why.code, this.#why.message);
    return this.#reason ?? this.#run?.reason ?? null;
  }

  end(code: ToolErrorCode, message: string): void {
    if (this.#why !== null || this.#run?.reason) return;
    this.#why = { code, message };
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) this.#tell(listener);
  }

  /** Calls back at the end, or at once where that was before. Returns how to stop that. */
  listen(listener: (reason: ToolFailure) => void): () => void {
    if (this.#tell(listener)) return () => undefined;
    const forget = this.#run?.listen(listener);
    this.#listeners.add(listener);
    return () => {
      forget?.();
      this.#listeners.delete(listener);
    };
  }

  /** Aborts at the end: also of a run whose call was answered before, for a handler that left something at work. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      const controller = new AbortController();
      this.#controller = controller;
      this.listen((reason) => controller.abort(reason));
    }
    return this.#controller.signal;
  }

  #tell(listener: (reason: ToolFailure) => void): boolean {
    const { reason } = this;
    if (reason !== null) listener(reason);
    return reason !== null;
  }
}
