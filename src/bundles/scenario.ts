// One scenario: a snippet with a head of comments that says how it is to be run.
import type { ContractEntry } from "../model/files.js";

export interface Scenario {
  readonly id: string;
  readonly label: string;
  readonly timeoutMs: number;
  readonly mode: "contract" | "side-effects";
  /** The promised files for a turn; empty in side-effects mode. */
  contract(turnId: string): ContractEntry[];
  readonly code: string;
  readonly profile?: string;
}

const FILE_NAME = /^(\d{1,6})-[\w-]+\.py$/;
const HEAD_LINE = /^#\s*([a-z]+)\s*:\s*(.*?)\s*$/;
const KEYS = ["label", "timeout", "contract", "profile"];

/** `fault` makes the error for what is wrong in this file. */
export function parseScenario(fileName: string, code: string, fault: (what: string) => Error): Scenario {
  const id = FILE_NAME.exec(fileName)?.[1];
  if (id === undefined) throw fault('its name must be like "03-some-words.py": the number is the id');
  const head = readHead(code, fault);
  const label = head.get("label")?.[0];
  if (!label) throw fault('its head has no "# label: …"');
  const timeout = Number(head.get("timeout")?.[0] ?? 60);
  if (!(timeout >= 0.1 && timeout <= 86_400)) throw fault('"timeout" must be seconds between 0.1 and 86400');
  const promised = (head.get("contract") ?? []).map((line) => splitContract(line, fault));
  const profile = head.get("profile")?.[0];
  return {
    ...{ id: String(Number(id)), label, timeoutMs: Math.round(timeout * 1000), code },
    mode: promised.length === 0 ? "side-effects" : "contract",
    contract: (turnId) =>
      promised.map(({ path, description }) => ({ path: path.replaceAll("{turn}", turnId), description })),
    ...(profile !== undefined && { profile }),
  };
}

/** The comment lines at the top; the first other line ends them. */
function readHead(code: string, fault: (what: string) => Error): Map<string, string[]> {
  const head = new Map<string, string[]>();
  for (const line of code.split("\n")) {
    if (!line.startsWith("#")) break;
    const [, key, value] = HEAD_LINE.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    if (!KEYS.includes(key)) throw fault(`its head has an unknown key "${key}"; there are: ${KEYS.join(", ")}`);
    if (head.has(key) && key !== "contract") throw fault(`its head has "${key}" twice`);
    if (value === "") throw fault(`its head says nothing after "${key}:"`);
    head.set(key, [...(head.get(key) ?? []), value]);
  }
  return head;
}

function splitContract(line: string, fault: (what: string) => Error): { path: string; description: string } {
  const at = line.indexOf("=");
  if (at < 1) throw fault(`"contract: ${line}" must be PATH = DESCRIPTION`);
  return { path: line.slice(0, at).trim(), description: line.slice(at + 1).trim() };
}
