// A container's first process in our own /proc, where the engine's processes are ours to see. With it the kernel itself proves
// that a container has ended, long before its engine says so.
import { readFileSync } from "node:fs";
import { InitProcess } from "../init-process.js";

export interface Named {
  /** The container's id: 256 random bits. */
  readonly id: string;
  /** The pid its engine knows it by. */
  readonly pid: number;
}

/** Null where that pid is none of ours, as with an engine elsewhere, or is not this container's: only the kernel's word counts. */
export function findHostInit({ id, pid }: Named, proc = "/proc"): InitProcess | null {
  if (!/^[0-9a-f]{64}$/.test(id) || !Number.isInteger(pid) || pid < 2) return null;
  try {
    // Taken first: whoever it is that the two files tell of, it is still the same one after them.
    const init = new InitProcess(pid, proc);
    const inItsGroup = readFileSync(`${proc}/${pid}/cgroup`, "latin1").includes(id);
    const firstOfItsNamespace = /^NSpid:(\t\d+)+\t1$/m.test(readFileSync(`${proc}/${pid}/status`, "latin1"));
    return inItsGroup && firstOfItsNamespace && init.isAlive() ? init : null;
  } catch {
    return null;
  }
}
