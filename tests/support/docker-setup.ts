// Starts the private Docker engine once for all end-to-end tests and tells their processes where it is.
import { type PrivateDocker, start } from "./dockerd.js";

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1") {
    console.warn("ISO_RUNTIME_TEST_NO_DOCKER=1: nothing is tested on Docker.");
    return undefined;
  }
  const docker: PrivateDocker = await start();
  process.env.DOCKER_HOST = docker.host;
  return () => docker.stop();
}
