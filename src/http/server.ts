// The API on a socket: where it listens and where it refuses to, what a connection may cost, and how it stops without losing anything.
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Admission } from "../harness/admission.js";
import type { ApiKeys } from "../harness/api-keys.js";
import type { RunHistory } from "../harness/run-history.js";
import { RunRegistry } from "../harness/run-registry.js";
import type { Runtime } from "../harness/runtime.js";
import { StorageQuota } from "../harness/storage-quota.js";
import { IsoError, toIsoError } from "../model/errors.js";
import { within } from "../model/in-time.js";
import { KiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { allowedHosts, listenAddress, ownHosts, urlOf } from "./address.js";
import { createApp } from "./app.js";
import { EventStreams } from "./events.js";
import { RunFigures } from "./figures.js";
import { answerNoRequests } from "./no-request.js";
import { problem } from "./problem.js";
import { runEntry, type Tell } from "./record.js";
import type { Service } from "./service.js";

const LIMITS = {
  maxHeaderSize: 16 * KiB,
  /** For the head of a request, and for the whole of it. */
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 10_000,
  /** Between two looks for those that are over. */
  connectionsCheckingInterval: 5_000,
};
/** Beside those that wait for their run's end: a full line keeps nobody from asking. */
const MAX_OTHER_CONNECTIONS = 1024;
/** For answers on their way when all runs have ended. */
const LAST_WORDS_MS = 5_000;

export interface ServeOptions {
  runtime: Pick<Runtime, "take" | "resultOf" | "close"> & Service["runtime"];
  host: string;
  /** 0: one that the system chooses. */
  port: number;
  /** How long runs under way may go on after `signal`; then they are cancelled. */
  drainMs: number;
  version: string;
  log: (line: string) => void;
  /** What becomes of requests and runs; nobody where it is left out. */
  tell?: Tell;
  streams?: EventStreams;
  keys: Pick<ApiKeys, "find" | "any">;
  /** As `--allow-host` has them. */
  allowHosts?: readonly string[];
  admission?: Admission;
  /** Of each user; null or left out: no limit. */
  storageBytes?: number | null;
  /** Closed when all runs have ended. Without it runs are remembered for a while, and no longer than the process. */
  history?: RunHistory | null;
}

export interface Listening {
  url: string;
  /** Made anew at each start; null on addresses that others reach: it is nobody's own, and could be revoked by a new start alone. */
  token: string | null;
}

/** Serves until `signal` aborts; resolves when every run has its end and every answer is sent. Throws IsoError where it cannot listen. */
export async function serveApi(
  options: ServeOptions,
  signal: AbortSignal,
  onListening: (listening: Listening) => void,
): Promise<void> {
  const { runtime, version, log, drainMs, keys, allowHosts = [], admission, storageBytes = null } = options;
  const { history = null, tell = () => undefined } = options;
  const address = listenAddress(options.host, () => keys.any);
  allowedHosts(allowHosts, options.port);
  const figures = new RunFigures();
  const storage = StorageQuota.of(runtime.settings, storageBytes);
  const onFinished = (result: RunResult) => {
    figures.count(result);
    tell(runEntry(result));
  };
  const runs = new RunRegistry(runtime, { onFinished, storage, history, ...(admission && { admission }) });
  const token = address.isLoopback ? randomBytes(32).toString("base64url") : null;
  let hosts: string[] = [];
  let allowed: string[] = [];
  const app = createApp({
    ...{ runtime, runs, history, version, token, log, tell, streams: options.streams ?? new EventStreams() },
    ...{ figures, keys, storage, hidden: runtime.workspaces.roots },
    hosts: () => hosts,
    allowedHosts: () => allowed,
  });
  const listener = getRequestListener(app.fetch, {
    // The process is the service's alone. Answers that are a text go out as one: the platform's own are streams first, which costs more
    // than all else of a small answer.
    overrideGlobalObjects: true,
    errorHandler: (error) => problem(new IsoError("invalid_request", "It is no request.", { cause: error })),
  });
  const server = createServer(LIMITS, listener);
  const { queued, atOnce } = runs.admission.limits;
  server.maxConnections = queued + atOnce + MAX_OTHER_CONNECTIONS;
  answerNoRequests(server, LIMITS.maxHeaderSize);
  const silent = silentSockets(server);
  const { port } = await listen(server, address.host, options.port);
  hosts = ownHosts(address, port);
  allowed = allowedHosts(allowHosts, port);
  const url = urlOf(address.host, port);
  onListening({ url, token });
  tell({ level: "info", event: "service", fields: { state: "listening", url, version } });
  await aborted(signal);
  tell({ level: "info", event: "service", fields: { state: "stopping", underWay: runs.underWay } });

  runs.close();
  const waited = await within(runs.idle(), drainMs);
  if (waited === null)
    log(`${runs.underWay} runs are cancelled: they were under way for ${drainMs / 1000} s after the stop`);
  await history?.stop();
  await runtime.close();
  await runs.idle();
  await close(server, silent);
  await history?.close();
  tell({ level: "info", event: "service", fields: { state: "stopped" } });
}

/** Connections that have asked for nothing yet: browsers open some ahead, and Node does not count them as idle. */
function silentSockets(server: Server): Set<Socket> {
  const silent = new Set<Socket>();
  server.on("connection", (socket) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
  });
  server.on("request", ({ socket }) => silent.delete(socket));
  return silent;
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const { message } = toIsoError(error);
      const hint = "Choose another one with --port, or 0 for one that is free.";
      reject(new IsoError("config_invalid", `The service cannot listen: ${message}`, { hint, field: "--port" }));
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      if (address !== null && typeof address === "object") resolve(address);
    });
  });
}

/** Answers on their way go out; connections that nobody uses, or that nobody reads from, do not hold up the end. */
async function close(server: Server, silent: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // One whose answer has just gone out would be kept for its next request, which can have none.
  const looking = setInterval(() => {
    server.closeIdleConnections();
    for (const socket of silent) socket.destroy();
  }, 20);
  await within(closed, LAST_WORDS_MS);
  clearInterval(looking);
  server.closeAllConnections();
  await closed;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
