// What comes on a connection and is no request that a route could see: a head that is too long or broken, or one that never ends.
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { IsoError } from "../model/errors.js";
import { problem } from "./problem.js";

/** Answers it as every other mistake is answered, where nothing else is on its way to the caller. */
export function answerNoRequests(server: Server, maxHeadBytes: number): void {
  const busy = new WeakSet<Socket>();
  server.on("request", ({ socket }, response) => {
    busy.add(socket);
    response.once("close", () => busy.delete(socket));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    if (error.code === "ECONNRESET" || !socket.writable || busy.has(socket)) socket.destroy();
    else void refuse(socket, whatIsWrong(error.code, maxHeadBytes));
  });
}

function whatIsWrong(code: string | undefined, maxHeadBytes: number): string {
  if (code === "HPE_HEADER_OVERFLOW") {
    return `The head of the request, its address among it, has more than ${maxHeadBytes} bytes.`;
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "The request did not come to its end in time.";
  return "It is no request of HTTP.";
}

async function refuse(socket: Socket, message: string): Promise<void> {
  const response = problem(new IsoError("invalid_request", message));
  const body = await response.text();
  const type = response.headers.get("Content-Type");
  const head = [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`, "Connection: close"];
  socket.end(`HTTP/1.1 ${response.status} Bad Request\r\n${head.join("\r\n")}\r\n\r\n${body}`);
}
