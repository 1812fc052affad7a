// The client of the service: `import { createClient } from "iso-runtime/client"`. It needs nothing but `fetch`, so it runs in Node.js and in
// browsers alike.

import { Runs } from "./runs.js";
import { type ClientOptions, Transport } from "./transport.js";
import type { OfUser, Profiles, Scenarios, Status, Tools, Usage, UsageOptions } from "./types.js";
import { Workspace } from "./workspace.js";

export { ConnectionError, type ProblemCode, ProblemError } from "./errors.js";
export type { FollowOptions, ListOptions, Runs, StartOptions } from "./runs.js";
export type { ClientOptions } from "./transport.js";
export type * from "./types.js";
export type { FileBody, FilesOptions, StoredOptions, Workspace, ZipOptions } from "./workspace.js";

export interface Client {
  readonly runs: Runs;
  readonly workspace: Workspace;
  /** What `scenario` of a request may choose from. */
  scenarios(options?: Pick<OfUser, "signal">): Promise<Scenarios>;
  /** The host tools that snippets may call. */
  tools(options?: Pick<OfUser, "signal">): Promise<Tools>;
  profiles(options?: Pick<OfUser, "signal">): Promise<Profiles>;
  /** How the service and its host are doing; it names no user. */
  status(options?: Pick<OfUser, "signal">): Promise<Status>;
  /** What a user's runs used, also those that are kept no more. */
  usage(options?: UsageOptions): Promise<Usage>;
}

/** Connects to nothing yet. Throws TypeError where `url` is none. */
export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);
  const look = <T>(path: string) => {
    return ({ signal }: Pick<OfUser, "signal"> = {}) => transport.json<T>(path, { signal, repeatable: true });
  };
  return {
    runs: new Runs(transport),
    workspace: new Workspace(transport),
    scenarios: look<Scenarios>("v1/scenarios"),
    tools: look<Tools>("v1/tools"),
    profiles: look<Profiles>("v1/profiles"),
    status: look<Status>("v1/status"),
    usage: ({ user = transport.user, since, until, signal } = {}) =>
      transport.json<Usage>("v1/usage", { query: { user, since, until }, signal, repeatable: true }),
  };
}
