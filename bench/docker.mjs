// The tests' own Docker daemon for a benchmark, where no other one was named, and an end by Ctrl-C that leaves nothing behind.
import { createJiti } from "jiti";

/**
 * Runs `act(signal)` with DOCKER_HOST set where Docker is wanted; one that cannot be had is said, and what needs it is left out. The signal is aborted by
 * Ctrl-C: `act` then ends what it started, and the daemon is stopped after it.
 */
export async function withDocker(isWanted, act) {
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stopped.abort());
  const isThere = process.env.DOCKER_HOST !== undefined || process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1";
  if (!isWanted || isThere) return await act(stopped.signal);
  const { start } = await createJiti(import.meta.url).import("../tests/support/dockerd.ts");
  const daemon = await start().catch((error) => {
    console.log(`no Docker engine for this benchmark: ${error.message}`);
    return null;
  });
  if (daemon !== null) process.env.DOCKER_HOST = daemon.host;
  try {
    return await act(stopped.signal);
  } finally {
    await daemon?.stop();
  }
}
