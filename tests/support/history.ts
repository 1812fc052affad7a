// A history over a folder, as a service has it, and processes that lived before it.
import { onTestFinished } from "vitest";
import type { RunHistory as History, HistoryOptions } from "../../src/harness/run-history.js";
import { RunHistory } from "../../src/harness/run-history.js";

export const ALIVE = "00000000000000aa";
const FREE = { release: () => undefined };

interface Options {
  /** Of the process that opens it. */
  id?: string;
  /** The other processes that live. */
  alive?: string[];
  keep?: HistoryOptions["keep"];
  logged?: string[];
}

export async function openHistory(
  stateDir: string,
  { id = "0123456789abcdef", alive = [], keep = {}, logged = [] }: Options = {},
): Promise<History> {
  const history = await RunHistory.open({
    ...{ stateDir, keep, turn: async () => FREE, log: (line: string) => void logged.push(line) },
    owner: { id, isAlive: async (other) => other === id || alive.includes(other) },
  });
  let isOpen = true;
  const close = history.close.bind(history);
  history.close = async () => {
    if (isOpen) await close();
    isOpen = false;
  };
  onTestFinished(() => history.close());
  return history;
}
