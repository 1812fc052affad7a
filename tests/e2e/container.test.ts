// The command line inside a container: what it says with the engine's defaults, and that the options of docs/machines.md make it
// work there without any capability.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DEFAULT_IMAGE } from "../../src/sandbox/profile.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const NODE_DIR = dirname(process.execPath);
const ORDINARY = ["--user", "1000:1000"];
const SEEN = ["seccomp=docker/seccomp-host.json", "systempaths=unconfined", "no-new-privileges"];
const OPTIONS = [...SEEN, "apparmor=unconfined"].flatMap((option) => ["--security-opt", option]);
const WALLS = ["--cap-drop", "ALL", "--read-only"];

/** With the host's own programs, so that whatever this machine tests is what runs in the container. */
function inContainer(options: string[], ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const binds = ["/usr:/usr:ro", `${NODE_DIR}:/opt/node:ro`, `${PROJECT}:/project:ro`].flatMap((bind) => ["-v", bind]);
  const roots = ["ISO_RUNTIME_USER_WORKSPACE_ROOT=/data/workspace", "ISO_RUNTIME_SANDBOX_ROOT=/data/sandbox"];
  const run = ["run", "--rm", "--network", "none", "--tmpfs", "/data:mode=1777,exec", "--workdir", "/", ...options];
  const command = ["/opt/node/node", "/project/dist/cli/main.js", ...args];
  const all = [...run, ...binds, ...roots.flatMap((root) => ["-e", root]), DEFAULT_IMAGE, ...command];
  return new Promise((resolve, reject) => {
    execFile("docker", all, { cwd: PROJECT, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      // The engine's own failures are 125 to 127; all else is the command line's exit status.
      if (error !== null && Number(error.code) >= 125 && Number(error.code) <= 127) reject(new Error(stderr));
      else resolve({ stdout, stderr });
    });
  });
}

describe.skipIf(process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1")("in a container", () => {
  it("says with the engine's defaults what stands in the way, and the options that mend it", async () => {
    const { stdout } = await inContainer(ORDINARY, "run", "--json", "--backend", "bubblewrap", "-c", "print(1)");
    const { status, error } = JSON.parse(stdout);
    expect({ status, code: error.code }).toEqual({ status: "failed", code: "sandbox_unavailable" });
    expect(error.hint).toMatch(/system call filter/);
    expect(error.hint).toContain(`${ORDINARY.join(" ")} --security-opt ${SEEN.slice(0, 2).join(" --security-opt ")}`);
    const doctor = await inContainer(ORDINARY, "doctor", "--backend", "bubblewrap");
    expect(doctor.stdout).toMatch(/✗ namespaces: .*system call filter/);
  });

  it("says of the filter alone that /proc is covered, and of root that it is the wrong user", async () => {
    const doctor = (...options: string[]) => inContainer(options, "doctor", "--backend", "bubblewrap");
    expect((await doctor(...ORDINARY, ...OPTIONS.slice(0, 2), ...OPTIONS.slice(-2))).stdout).toMatch(/covered \/proc/);
    expect((await doctor("--user", "0:0", ...OPTIONS)).stdout).toMatch(/root without CAP_SYS_ADMIN/);
  });

  it("runs in sandboxes with our filter, no capability and a read-only root, and says what it cannot enforce", async () => {
    const code = "import os\nprint(os.getuid(), open('/proc/self/status').read(), open('/proc/1/cmdline').read())";
    const args = ["run", "--json", "--backend", "bubblewrap", "-c", code];
    const { stdout, stderr } = await inContainer([...ORDINARY, ...OPTIONS, ...WALLS], ...args);
    const { status, output, sandbox } = JSON.parse(stdout);
    expect(status, stderr).toBe("succeeded");
    expect(output.stdout.text).toMatch(/CapBnd:\s+0000000000000000\nCapAmb:\s+0+\nNoNewPrivs:\s+1\nSeccomp:\s+2/);
    expect(output.stdout.text).toContain("iso_runner");
    expect(sandbox.policy.isolation).toMatchObject({ hostUid: 1000, seccomp: true });
    const { memory, processes, cpus } = sandbox.policy.limits;
    expect([memory, processes, cpus].map(({ enforcedBy }) => enforcedBy)).toEqual(["rlimit", "rlimit", "none"]);
  });

  it("is documented with the options that are tested", () => {
    const page = readFileSync(`${PROJECT}/docs/machines.md`, "utf8").replaceAll(/\s*\\\n\s*/g, " ");
    expect(page).toContain([...ORDINARY, ...OPTIONS.slice(0, -2), ...WALLS].join(" "));
  });
});
