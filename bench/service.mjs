// The built service as a process of its own, and a client of it that keeps its connections and spends little itself.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { PYTHON } from "./context.mjs";

const CLI = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

export class Service {
  #agent = new Agent({ keepAlive: true, maxSockets: 1024 });
  #child;
  #url;
  #token;

  /** Serves below `root` until it is closed; further flags as on the command line. */
  static async start(context, root, flags = []) {
    const service = new Service();
    const args = ["serve", "--port", "0", "--json", "--drain", "0", "--log", "off", ...flags];
    service.#child = context.spawn(process.execPath, [CLI, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        ...{
          ISO_RUNTIME_PYTHON: PYTHON,
          ISO_RUNTIME_USER_WORKSPACE_ROOT: `${root}/w`,
          ISO_RUNTIME_SANDBOX_ROOT: `${root}/s`,
        },
      },
    });
    const [line] = await Promise.race([
      once(service.#child.stdout, "data"),
      once(service.#child, "exit").then(([code]) => {
        throw new Error(`the service ended with ${code}`);
      }),
    ]);
    const { url, token } = JSON.parse(String(line));
    service.#url = new URL(url);
    service.#token = token;
    return service;
  }

  get pid() {
    return this.#child.pid;
  }

  /** What it has in memory, in MiB. */
  residentMiB() {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))[1]) / 1024;
  }

  /** `{ status, headers, text }`; a body is sent as JSON. */
  ask(path, body, headers = {}) {
    return this.#sent(path, body, headers, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() };
    });
  }

  wire() {
    return Wire.open(this.#url.hostname, Number(this.#url.port), this.#token);
  }

  /** The response as it comes. */
  follow(path, headers = {}) {
    return this.#sent(path, undefined, headers, (response) => response);
  }

  async close() {
    this.#agent.destroy();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }

  #sent(path, body, headers, read) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request({
        ...{ host: this.#url.hostname, port: this.#url.port, path, agent: this.#agent },
        method: text === undefined ? "GET" : "POST",
        headers: {
          Authorization: `Bearer ${this.#token}`,
          ...(text !== undefined && { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }),
          ...headers,
        },
      });
      sent.once("error", reject);
      sent.once("response", (response) => resolve(read(response)));
      sent.end(text);
    });
  }
}

/** A connection of its own, kept, with next to no work of a client's own: one request at a time, JSON; answers have a length. */
export class Wire {
  #socket;
  #head;

  static async open(host, port, token = "none") {
    const wire = new Wire();
    wire.#socket = connect(port, host).setNoDelay(true);
    wire.#head = `Host: ${host}:${port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
    await once(wire.#socket, "connect");
    return wire;
  }

  /** `{ status, text }`. */
  post(path, body) {
    const text = JSON.stringify(body);
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      let answer = Buffer.alloc(0);
      const hear = (chunk) => {
        answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
        const end = answer.indexOf("\r\n\r\n");
        if (end === -1) return;
        const head = answer.toString("latin1", 0, end);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
        if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head}`);
        if (answer.length < end + 4 + length) return;
        socket.off("data", hear).off("close", gone);
        resolve({ status: Number(head.slice(9, 12)), text: answer.toString("utf8", end + 4) });
      };
      const gone = () => reject(new Error("the connection was closed"));
      socket.on("data", hear).once("close", gone);
      socket.write(`POST ${path} HTTP/1.1\r\n${this.#head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    });
  }

  close() {
    this.#socket.destroy();
  }
}
