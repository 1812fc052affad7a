import { defineConfig } from "vitest/config";

const PAGE = "tests/e2e/page*.test.ts";

/** Projects by what they need: unit tests are quick and parallel, end-to-end tests share one machine and run one file at a time. */
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Stopping the private Docker engine takes a few seconds.
    teardownTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/e2e/**", "tests/fuzz/**", "tests/vm/**"],
          // One for each processor: many of them mostly wait.
          maxWorkers: "100%",
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["tests/e2e/**/*.test.ts"],
          exclude: [PAGE],
          globalSetup: ["tests/support/docker-setup.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
        },
      },
      // A browser is busy where others mostly wait.
      { extends: true, test: { name: "page", include: [PAGE], fileParallelism: false, testTimeout: 300_000 } },
      // Takes minutes that others can use.
      { extends: true, test: { name: "fuzz", include: ["tests/fuzz/**/*.test.ts"] } },
      // On an emulated machine, which is slow.
      { extends: true, test: { name: "vm", include: ["tests/vm/**/*.test.ts"], fileParallelism: false } },
    ],
  },
});
