// Named points of a run, each just after something outside this process has changed. Nobody listens but a test, which lets the
// process die there or the call fail; docs/crash-safety.md says what is left behind at each, and what heals it.

let listener: ((name: string) => void) | null = null;

/** We got here. What a listener throws is thrown here, as the system call before might have failed. */
export function step(name: string): void {
  listener?.(name);
}

/** No setting, flag, variable or option leads here. Null: nobody listens. */
export function onStep(listen: ((name: string) => void) | null): void {
  listener = listen;
}
