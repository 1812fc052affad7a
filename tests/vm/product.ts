// The built command line in a guest, as a person there would start it, and what it printed.
import { z } from "zod";
import type { CommandOptions, Guest, Outcome } from "./guest.js";

const CLI = "node /project/dist/cli/main.js";
/** The caller's own scope, whose control group is theirs to divide. */
export const DELEGATED = "systemd-run --user --scope --quiet -p Delegate=yes";

const RunResult = z.object({
  status: z.string(),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  output: z.object({ stdout: z.object({ text: z.string() }) }),
  sandbox: z
    .object({
      policy: z.object({
        limits: z.record(z.string(), z.object({ enforcedBy: z.string(), hits: z.number().nullable() })),
        isolation: z.object({ hostUid: z.number(), seccomp: z.boolean() }),
      }),
    })
    .nullable(),
});

const Report = z.object({
  ok: z.boolean(),
  backends: z.array(
    z.object({
      name: z.string(),
      usable: z.boolean(),
      checks: z.array(
        z.object({ name: z.string(), status: z.string(), message: z.string(), fix: z.string().optional() }),
      ),
    }),
  ),
});

export interface Account extends CommandOptions {
  /** What the command line is started by, as DELEGATED. */
  readonly by?: string;
}

export class Product {
  readonly #guest: Guest;
  readonly account: Account;

  constructor(guest: Guest, account: Account) {
    this.#guest = guest;
    this.account = account;
  }

  /** Any command line, with the roots of this account. */
  shell(command: string): Promise<Outcome> {
    const roots = 'export ISO_RUNTIME_USER_WORKSPACE_ROOT="$HOME/ws" ISO_RUNTIME_SANDBOX_ROOT="$HOME/sb"';
    return this.#guest.run(`${roots}\n${command}`, this.account);
  }

  cli(args: string): Promise<Outcome> {
    return this.shell(`${this.account.by ?? ""} ${CLI} ${args}`);
  }

  async run(args: string, code?: string): Promise<z.infer<typeof RunResult>> {
    const source = code === undefined ? "" : ` -c ${quoted(code)}`;
    return parsed(RunResult, await this.cli(`run --json --backend bubblewrap ${args}${source}`));
  }

  async doctor(): Promise<z.infer<typeof Report>> {
    return parsed(Report, await this.cli("doctor --json --backend bubblewrap"));
  }
}

function parsed<T>(schema: z.ZodType<T>, outcome: Outcome): T {
  try {
    return schema.parse(JSON.parse(outcome.stdout));
  } catch (error) {
    throw new Error(`not the document expected: ${JSON.stringify(outcome)}`, { cause: error });
  }
}

export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
