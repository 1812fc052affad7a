// The built service as a process of its own, and requests to it as a user's program makes them.
import type { ChildProcess } from "node:child_process";
import { onTestFinished } from "vitest";
import { type CliOptions, type CliResult, startCli } from "./cli.js";

export interface Asked {
  method?: string;
  headers?: Record<string, string>;
  /** JSON, or bytes as they are. */
  body?: unknown;
  signal?: AbortSignal;
}

/** Serves until the test is over. */
export async function startService(options: CliOptions, ...flags: string[]) {
  const started = serve(options, ...flags);
  onTestFinished(started.stop);
  return await started.ready;
}

/** Serves until it is stopped. */
export function serve(options: CliOptions, ...flags: string[]) {
  const { child, done } = startCli(["serve", "--port", "0", "--json", "--drain", "1", ...flags], options);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await done;
  };
  return { ready: begun(child, done), stop };
}

async function begun(child: ChildProcess, done: Promise<CliResult>) {
  const line = await Promise.race([firstLine(child.stdout), done.then((result) => failed(result))]);
  const { url, token }: { url: string; token: string } = JSON.parse(line);
  const ask = (path: string, { headers, body, method, signal }: Asked = {}): Promise<Response> => {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    return fetch(new URL(path, url), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && !isRaw && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: isRaw ? bytesOf(body) : JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  };
  return { url, token, child, done, ask };
}

const bytesOf = (body: string | Uint8Array) => (typeof body === "string" ? body : new Uint8Array(body));

export type TestService = Awaited<ReturnType<typeof startService>>;

function firstLine(stdout: NodeJS.ReadableStream | null): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    stdout?.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
  });
}

function failed({ status, stderr }: CliResult): never {
  throw new Error(`the service ended with ${status}: ${stderr}`);
}

// biome-ignore lint/suspicious/noExplicitAny: a document that the test then looks into
export const jsonOf = async (response: Response): Promise<any> => response.json();

interface SeenEvent {
  at: string;
  seq: number;
  type: string;
  text?: string;
  result?: { status: string };
}

/** The events of a stream as they come; leaving the loop cuts the connection. */
export async function* eventsOf(response: Response): AsyncGenerator<SeenEvent> {
  if (response.body === null) return;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const data = /^data: (.+)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}
