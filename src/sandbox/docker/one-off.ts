// A question to an image, asked in a container of its own that is as closed as a sandbox's and gone afterwards.
import { randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { DEFAULT_LIMITS } from "../../model/limits.js";
import type { BackendContext } from "../backend.js";
import type { AttachedChannel } from "./attach.js";
import { pause, type Running, removeContainer, startContainer, stateOf } from "./container.js";
import { containerOptions, type Order } from "./container-options.js";
import { type EngineInfo, inTime } from "./engine.js";

const TIMEOUT_MS = 60_000;
const MAX_BYTES = 64 * 1024;
const POLL_MS = 20;

export interface Connection {
  readonly docker: Docker;
  readonly info: EngineInfo;
}

/** What the command printed, to a bound. Throws what its stderr said where it did not end well. */
export async function ask(
  { docker, info }: Connection,
  context: Pick<BackendContext, "users" | "instance">,
  order: Pick<Order, "image" | "command" | "mounts">,
): Promise<string> {
  const name = `iso-runtime-question-${randomBytes(8).toString("hex")}`;
  const user = await context.users.lease();
  const options = containerOptions(context, info, { ...order, name, user, runtime: null, limits: DEFAULT_LIMITS });
  try {
    return await answerOf(await startContainer(docker, options));
  } finally {
    user.release();
  }
}

async function answerOf({ container, channel }: Running): Promise<string> {
  try {
    const answer = readAll(channel);
    const exitCode = await untilExit();
    const text = await inTime(answer, "end a container's output");
    if (exitCode === 0) return text;
    throw new Error(`it ended with ${exitCode}: ${channel.logLines().slice(-5).join("; ").slice(0, 1000)}`);
  } finally {
    channel.destroy();
    await removeContainer(container).catch(() => undefined);
  }

  async function untilExit(): Promise<number> {
    const until = performance.now() + TIMEOUT_MS;
    while (performance.now() < until) {
      const state = await stateOf(container);
      if (state === null) throw new Error("somebody else removed the container");
      if (!state.Running) return state.ExitCode;
      await pause(POLL_MS);
    }
    throw new Error(`it did not end within ${TIMEOUT_MS / 1000} s`);
  }
}

async function readAll(channel: AttachedChannel): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  channel.on("data", (chunk: Buffer) => {
    if (bytes < MAX_BYTES) chunks.push(chunk);
    bytes += chunk.length;
  });
  await channel.gone;
  return Buffer.concat(chunks).subarray(0, MAX_BYTES).toString("utf8");
}
