// The life of one container: made, attached, started; asked how it is; removed. Nothing here waits for an engine without bound.
import { Socket } from "node:net";
import type Docker from "dockerode";
import type { Container, ContainerCreateOptions } from "dockerode";
import { step } from "../../model/steps.js";
import { AttachedChannel } from "./attach.js";
import { inTime, statusOf } from "./engine.js";

const STATE_TIMEOUT_MS = 10_000;
const REMOVE_TIMEOUT_MS = 15_000;
const REMOVE_ATTEMPTS = 10;
const RETRY_MS = 20;
const SLOWEST_RETRY_MS = 200;

export interface Running {
  readonly container: Container;
  readonly channel: AttachedChannel;
}

export interface State {
  readonly Pid: number;
  readonly Running: boolean;
  readonly OOMKilled: boolean;
  readonly ExitCode: number;
  readonly Error: string;
}

/** A container that runs, attached from its first byte on; where that fails, nothing of it is left, or `onLeft` is told what may be. */
export async function startContainer(
  docker: Docker,
  options: ContainerCreateOptions,
  onLeft: (container: Container) => void = () => undefined,
): Promise<Running> {
  let container: Container | null = null;
  let channel: AttachedChannel | null = null;
  try {
    container = await inTime(docker.createContainer(options), "create the container");
    step("boot.container");
    const attach = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
    const stream = await inTime(container.attach(attach), "attach to the container");
    if (!(stream instanceof Socket)) throw new Error("the engine gave no socket to talk to the container");
    // A sandbox may wait for its job for hours.
    stream.setTimeout(0);
    channel = new AttachedChannel(stream);
    step("boot.attached");
    await inTime(container.start(), "start the container");
    step("boot.started");
    return { container, channel };
  } catch (error) {
    channel?.destroy();
    // By its name, as an engine that answers late may have made it nevertheless.
    if (container !== null || statusOf(error) === null) {
      const left = container ?? docker.getContainer(options.name ?? "");
      await removeContainer(left).catch(() => onLeft(left));
    }
    throw error;
  }
}

/** Null where there is no such container any more. */
export async function stateOf(container: Container): Promise<State | null> {
  try {
    const { State: state } = await inTime(container.inspect(), "tell how the container is", STATE_TIMEOUT_MS);
    return state;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

export async function killContainer(container: Container): Promise<void> {
  try {
    await inTime(container.kill(), "kill the container", STATE_TIMEOUT_MS);
  } catch (error) {
    // It is dead already, or gone.
    if (statusOf(error) !== 409 && statusOf(error) !== 404) throw error;
  }
}

/** Gives it as many processors as the engine has, from now on. */
export async function liftCpuLimit(container: Container, cpus: number): Promise<void> {
  await inTime(container.update({ NanoCpus: cpus * 1e9 }), "lift the limit on processor time", STATE_TIMEOUT_MS);
}

/** Removes a container in whatever state; fine where it is gone. Its stream must be closed or read, else the engine waits for us. */
export async function removeContainer(container: Container): Promise<void> {
  const until = performance.now() + REMOVE_TIMEOUT_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await inTime(container.remove({ force: true, v: true }), "remove the container", REMOVE_TIMEOUT_MS);
      return;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return;
      // 409: a removal is under way, which a busy engine takes its time for; 500: the engine is between two states.
      const mayComeTrue = status === 409 ? performance.now() < until : status === 500 && attempt < REMOVE_ATTEMPTS;
      if (!mayComeTrue) throw error;
      await pause(Math.min(RETRY_MS * attempt, SLOWEST_RETRY_MS));
    }
  }
}

export const pause = (timeMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, timeMs));
