// What a host has that no snippet may reach: a secret in its environment and in a file that everybody may read, and listeners.
import { mkdirSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";

/** Those that both backends make anew. */
const NAMESPACES = ["mnt", "pid", "net", "ipc", "uts"];
const SECRET = "c4nary-of-the-host";

export class Host {
  /** Where to look, told to every attack in its environment. */
  readonly facts: Readonly<Record<string, string>>;
  readonly #servers: readonly Server[];

  private constructor(facts: Record<string, string>, servers: readonly Server[]) {
    this.facts = facts;
    this.#servers = servers;
  }

  static async open(dir: string): Promise<Host> {
    process.env.ISO_TEST_SECRET = SECRET;
    mkdirSync(dir, { mode: 0o755 });
    const file = join(dir, ".env");
    writeFileSync(file, `TOKEN=${SECRET}`, { mode: 0o644 });
    const abstract = `iso-hostile-${process.pid}`;
    const socket = join(dir, "socket");
    const tcp = await listen({ host: "0.0.0.0", port: 0 });
    const address = tcp.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const servers = [tcp, await listen({ path: socket }), await listen({ path: `\0${abstract}` })];
    const namespaces = NAMESPACES.map((name) => readlinkSync(`/proc/self/ns/${name}`)).join(" ");
    const facts = {
      HOST_NAMESPACES: namespaces,
      HOST_FILE: file,
      HOST_PORT: String(port),
      HOST_ABSTRACT: abstract,
      HOST_SOCKET: socket,
    };
    return new Host(facts, servers);
  }

  close(): void {
    delete process.env.ISO_TEST_SECRET;
    for (const server of this.#servers) server.close();
  }
}

function listen(where: { host: string; port: number } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.end("reached"));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => resolve(server));
  });
}
