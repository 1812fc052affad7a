// A user's runs, page by page. Where the service cannot filter them yet, the page does among those that it has.
import { askJson, Problem } from "../api/http.js";
import type { RunList, RunSummary } from "../api/types.js";

export interface Filter {
  status: string;
  text: string;
}

const PAGE = 50;
let canFilter = true;

export async function listRuns(filter: Filter, before: string | undefined, signal?: AbortSignal): Promise<RunList> {
  const query = { limit: PAGE, before };
  const isFiltered = filter.status !== "" || filter.text !== "";
  if (isFiltered && canFilter) {
    try {
      const given = { status: filter.status || undefined, text: filter.text || undefined };
      return await askJson<RunList>("/v1/runs", { query: { ...query, ...given }, signal });
    } catch (error) {
      const isUnknown = error instanceof Problem && error.status === 400 && /^(status|text)$/.test(error.field ?? "");
      if (!isUnknown) throw error;
      canFilter = false;
    }
  }
  const { runs, next } = await askJson<RunList>("/v1/runs", { query, signal });
  return { runs: runs.filter((run) => fits(run, filter)), next };
}

function fits({ runId, turnId, scenario, status, code, mode }: RunSummary, filter: Filter): boolean {
  if (filter.status !== "" && status !== filter.status) return false;
  const text = [runId, turnId, scenario === null ? "snippet" : `scenario ${scenario}`, status, code ?? "", mode]
    .join(" ")
    .toLowerCase();
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
