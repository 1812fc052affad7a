// The real backends a test can have on this machine.

/** Docker is left out only by the operator's word, and never silently. */
export function realBackends(): string[] {
  if (process.env.ISO_RUNTIME_TEST_NO_DOCKER !== "1") return ["zygote", "bubblewrap", "docker"];
  console.warn("ISO_RUNTIME_TEST_NO_DOCKER=1: everything on Docker is skipped.");
  return ["zygote", "bubblewrap"];
}
