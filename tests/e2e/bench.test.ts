// `iso-runtime bench` on each real backend, as small as it can be: what it says is whole, and it leaves nothing.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { realBackends } from "../support/backends.js";
import { runCli, startCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";

const SMALL = ["--rounds", "1", "--concurrency", "1", "--files", "0"];

async function expectNothingLeft(roots: string): Promise<void> {
  const state = join(roots, "sandbox/.iso-runtime");
  expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
  expect(existsSync(join(roots, "workspace"))).toBe(false);
  expect(await leftOver(roots)).toEqual([]);
}

/** What it does with a backend is the same for all; the soak asks each. */
const BACKENDS = count(realBackends().slice(0, 1), realBackends());

describe.each(BACKENDS)("bench on %s", (backend) => {
  it("measures cold and warm beside a bare interpreter, and draws it", async () => {
    const roots = tempDir();
    const files = { html: join(roots, "report.html"), svg: join(roots, "report.svg") };
    const flags = ["--files", "0,3", "--html", files.html, "--svg", files.svg, "--json"];
    const { status, stdout, stderr } = await runCli(
      ["bench", "--backend", backend, "--rounds", "1", "--concurrency", "1,2", ...flags],
      { roots },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ schema: "iso-runtime/bench-report@1", ok: true, rounds: 1, skipped: [] });
    expect(report.machine).toMatchObject({ node: process.version, engines: { [backend]: expect.any(String) } });
    const bare = [1, 2].map((concurrency) => ({ backend: null, start: null, concurrency, files: null, toBare: null }));
    const library = [1, 2].flatMap((concurrency) =>
      ["cold", "warm"].flatMap((start) => [0, 3].map((count) => ({ backend, start, concurrency, files: count }))),
    );
    expect(report.rows).toMatchObject([...bare, ...library]);
    for (const row of report.rows) {
      expect(row.latencyMs.samples + row.leftOut.count).toBe(row.concurrency);
      expect(row.runsPerSecond).toBeGreaterThan(0);
      if (row.backend !== null) expect(row.toBare.p50).toBeGreaterThan(0);
    }
    expect(readFileSync(files.svg, "utf8")).toContain(`${backend}, warm, 3 files`);
    expect(readFileSync(files.html, "utf8")).toContain(`${backend}, cold, empty`);
    await expectNothingLeft(roots);
  });

  it("ends at Ctrl-C, and leaves nothing behind", async () => {
    const roots = tempDir();
    const { child, done } = startCli(["bench", "--backend", backend, "--rounds", "10000", "--files", "0"], { roots });
    const state = join(roots, "sandbox/.iso-runtime");
    while (!(existsSync(state) && readdirSync(state).some((name) => name.startsWith("scratch-")))) {
      if (child.exitCode !== null) throw new Error("it ended by itself");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Sandboxes are being booted by now, or runs are under way.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill("SIGINT");
    const { status, stdout } = await done;
    expect({ status, stdout }).toEqual({ status: 130, stdout: "" });
    await expectNothingLeft(roots);
  });
});

describe("bench", () => {
  it("is drawn in the terminal, without colour where nobody looks", async () => {
    const roots = tempDir();
    const { status, stdout } = await runCli(
      ["bench", "--backend", "bubblewrap", "--start", "warm", ...SMALL, "-c", "print('mine')"],
      { roots },
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/one run at a time\n {2}bare python3 +[█▏▎▍▌▋▊▉]/);
    expect(stdout).toContain("a program of the caller's");
    expect(stdout).not.toContain("\u001b");
    await expectNothingLeft(roots);
  });

  it("exits with 2 for a wrong flag, which it names, and touches nothing", async () => {
    const roots = tempDir();
    const { status, stdout, stderr } = await runCli(["bench", "--rounds", "none", "--json"], { roots });
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: "invalid_request" } });
    expect(stderr).toMatch(/^iso-runtime: --rounds: "none" is not one\nGive whole numbers between 1 and 10000\./);
    expect(status).toBe(2);
    expect(readdirSync(roots)).toEqual([]);
  });

  it("exits with 3 where a backend that was named does not work, and says why", async () => {
    const roots = tempDir();
    const env = { DOCKER_HOST: "unix:///nowhere/docker.sock" };
    const ran = await runCli(["bench", "--backend", "docker", ...SMALL, "--json"], { roots, env });
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "sandbox_unavailable" } });
    expect(ran.stderr).toContain("docker: engine: no Docker engine");
    expect(ran.status).toBe(3);
    await expectNothingLeft(roots);
  });

  it("exits as the run would where the caller's snippet does not succeed", async () => {
    const roots = tempDir();
    const ran = await runCli(["bench", "--backend", "bubblewrap", ...SMALL, "-c", "raise SystemExit(4)"], { roots });
    expect(ran.stderr).toContain("A run of the benchmark did not succeed");
    expect(ran.status).toBe(1);
    await expectNothingLeft(roots);
  });
});
