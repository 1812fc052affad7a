// The receipt of one run: what it was given is hashed here, its beginning and its ending are written down. A receipt that cannot
// be written changes no ending; it is told in the run's infra log, by an event, and on the terminal.
import { toIsoError } from "../model/errors.js";
import type { EventInput } from "../model/events.js";
import type { RunResult } from "../model/result.js";
import type { ToolTable } from "../model/tools.js";
import { type Link, sha256 } from "../records/receipt-line.js";
import { hashOf, type Receipts, type RunFacts } from "../records/receipts.js";
import type { AcceptedRun } from "./accept.js";
import { withInfra } from "./result.js";

export class RunReceipt {
  readonly #receipts: Receipts;
  readonly #facts: () => RunFacts;
  readonly #emit: (event: EventInput) => void;
  readonly #troubles: string[] = [];
  #beginning: Link | null = null;

  constructor(receipts: Receipts, request: AcceptedRun, tools: ToolTable[], emit: (event: EventInput) => void) {
    this.#receipts = receipts;
    let facts: RunFacts | undefined;
    this.#facts = () => {
      facts ??= factsOf(request, tools);
      return facts;
    };
    this.#emit = emit;
  }

  /** Before the program gets its job: what runs from here on has left a trace. */
  async began(): Promise<void> {
    try {
      this.#beginning = await this.#receipts.began(this.#facts());
    } catch (error) {
      this.#troubles.push(whyNot("beginning", error));
    }
  }

  /** The result as it goes to the caller. A rejected run has no receipt: nothing ran. */
  async ended(result: RunResult): Promise<RunResult> {
    if (result.status === "rejected") return result;
    let told = withInfra(result, "receipts", this.#troubles);
    try {
      await this.#receipts.ended(this.#facts(), told, this.#beginning);
    } catch (error) {
      this.#troubles.push(whyNot("ending", error));
      told = withInfra(result, "receipts", this.#troubles);
    }
    for (const message of this.#troubles)
      this.#emit({ type: "comm.error", message, data: { errorLines: [], tracebacks: [] } });
    return told;
  }
}

function factsOf(request: AcceptedRun, tools: ToolTable[]): RunFacts {
  const { runId, userId, turnId, mode, scenario, code, args, stdin, contract, env, timeoutMs, sync, ref } = request;
  const { env: profileEnv, ...profile } = request.profile;
  return {
    run: { runId, userId, turnId, mode, scenario: scenario?.id ?? null },
    inputs: {
      code: sha256(code),
      args: hashOf(args),
      stdin: stdin === null ? null : sha256(stdin),
      contract: mode === "contract" ? hashOf(contract) : null,
      tools: keptHash(tools, () => tools),
      // A hash of a short secret is the secret to whoever tries them all: of variables there are names only.
      profile: keptHash(request.profile, () => ({ ...profile, envNames: Object.keys(profileEnv).sort() })),
      envNames: Object.keys(env).sort(),
      // The main workspace has no name, a run without one null.
      ...{ timeoutMs, sync, workspace: ref.workspace === undefined ? "" : ref.workspace },
    },
    durable: request.durability === "disk",
  };
}

/** Of what most runs share and nobody changes. */
const hashes = new WeakMap<object, string>();

function keptHash(shared: object, value: () => unknown): string {
  const hash = hashes.get(shared) ?? hashOf(value());
  hashes.set(shared, hash);
  return hash;
}

function whyNot(what: string, thrown: unknown): string {
  const { message, hint } = toIsoError(thrown);
  return `The receipt of the run's ${what} was not written: ${message}${hint === undefined ? "" : ` ${hint}`}`;
}
