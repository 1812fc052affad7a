// The code of runs that this tab started, so that a line of a traceback can be shown: the service may not tell it.
import { askJson } from "../api/http.js";
import type { Scenario } from "../api/types.js";
import { tell } from "./notices.js";

const KEY = "iso-runtime.codes";
const MOST = 20;
const MOST_CHARACTERS = 256 * 1024;

/** What the service keeps of a request. */
interface Kept {
  request?: { code?: unknown };
  /** Fields that were shortened. */
  cut?: string[];
}

type Codes = [runId: string, code: string][];

function all(): Codes {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Codes) : [];
  } catch {
    return [];
  }
}

export function remember(runId: string, code: string): void {
  const kept = [[runId, code], ...all()].slice(0, MOST) as Codes;
  while (kept.length > 1 && kept.reduce((sum, [, text]) => sum + text.length, 0) > MOST_CHARACTERS) kept.pop();
  if (code.length <= MOST_CHARACTERS) sessionStorage.setItem(KEY, JSON.stringify(kept));
}

/** Null where nobody knows it any more. */
export async function codeOf(runId: string, scenario: string | null, scenarios: Scenario[]): Promise<string | null> {
  const own = all().find(([id]) => id === runId)?.[1];
  if (own !== undefined) return own;
  if (scenario !== null) return scenarios.find(({ id }) => id === scenario)?.code ?? null;
  try {
    const { request, cut } = await askJson<Kept>(`/v1/runs/${runId}/request`);
    if (cut?.includes("code")) tell("The code was too long to be kept whole: this is its beginning.");
    return typeof request?.code === "string" ? request.code : null;
  } catch {
    return null;
  }
}
