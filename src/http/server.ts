// The API on a socket: where it listens and where it refuses to, what a connection may cost, and how it stops without losing anything.
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { type AddressInfo, BlockList, isIP, type Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { RunRegistry } from "../harness/run-registry.js";
import type { Runtime } from "../harness/runtime.js";
import { IsoError, toIsoError } from "../model/errors.js";
import { within } from "../model/in-time.js";
import { KiB } from "../model/limits.js";
import { createApp } from "./app.js";
import { EventStreams } from "./events.js";
import { RunFigures } from "./figures.js";
import { problem } from "./problem.js";
import { runEntry, type Tell } from "./record.js";

const LIMITS = {
  maxHeaderSize: 16 * KiB,
  /** For the head of a request, and for the whole of it. */
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 10_000,
  /** Between two looks for those that are over. */
  connectionsCheckingInterval: 5_000,
};
const MAX_CONNECTIONS = 1024;
/** For answers on their way when all runs have ended. */
const LAST_WORDS_MS = 5_000;

export interface ServeOptions {
  runtime: Pick<Runtime, "take" | "resultOf" | "close" | "workspaces" | "tools" | "bundle" | "settings">;
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
}

export interface Listening {
  url: string;
  /** Made anew at each start. */
  token: string;
}

/** Serves until `signal` aborts; resolves when every run has its end and every answer is sent. Throws IsoError where it cannot listen. */
export async function serveApi(
  options: ServeOptions,
  signal: AbortSignal,
  onListening: (listening: Listening) => void,
): Promise<void> {
  const { runtime, version, log, drainMs, tell = () => undefined } = options;
  const host = loopback(options.host);
  const figures = new RunFigures();
  const runs = new RunRegistry(runtime, {
    onFinished: (result) => {
      figures.count(result);
      tell(runEntry(result));
    },
  });
  const token = randomBytes(32).toString("base64url");
  let hosts: string[] = [];
  const app = createApp({
    ...{ runtime, runs, version, token, log, tell, streams: options.streams ?? new EventStreams() },
    figures,
    hidden: runtime.workspaces.roots,
    hosts: () => hosts,
  });
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => problem(new IsoError("invalid_request", "It is no request.", { cause: error })),
  });
  const server = createServer(LIMITS, listener);
  server.maxConnections = MAX_CONNECTIONS;
  const silent = silentSockets(server);
  const { port } = await listen(server, host, options.port);
  const name = isIP(host) === 6 ? `[${host}]` : host;
  // A client leaves out the port that is everybody's.
  hosts = [name, "localhost"].flatMap((own) => (port === 80 ? [own, `${own}:80`] : `${own}:${port}`));
  const url = `http://${name}:${port}/`;
  onListening({ url, token });
  tell({ level: "info", event: "service", fields: { state: "listening", url, version } });
  await aborted(signal);
  tell({ level: "info", event: "service", fields: { state: "stopping", underWay: runs.underWay } });

  runs.close();
  const waited = await within(runs.idle(), drainMs);
  if (waited === null)
    log(`${runs.underWay} runs are cancelled: they were under way for ${drainMs / 1000} s after the stop`);
  await runtime.close();
  await runs.idle();
  await close(server, silent);
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

/** Beyond this host there would have to be keys to tell callers apart, which there are not yet. */
function loopback(host: string): string {
  const address = host === "localhost" ? "127.0.0.1" : host;
  const family = isIP(address);
  const list = new BlockList();
  list.addSubnet("127.0.0.0", 8, "ipv4");
  list.addAddress("::1", "ipv6");
  if (family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4")) return address;
  throw new IsoError("config_invalid", `--host: "${host.slice(0, 200)}" is no address of this host alone.`, {
    field: "--host",
    hint: "The service listens on 127.0.0.1 or ::1. Reach it from elsewhere through a tunnel, as `ssh -L 8321:127.0.0.1:8321`.",
  });
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
