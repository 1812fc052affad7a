// The image of the service: made as its script makes it, run with the options that docs/container-image.md names, stopped in order. What the
// base image would bring from a registry (Node.js, bubblewrap) is put in from this host.
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { removeTree } from "../../src/safefs/remove.js";
import { DEFAULT_IMAGE } from "../../src/sandbox/profile.js";
import { createClient } from "../support/built-client.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const TAG = "iso-runtime-service:test";
const BASE = "iso-runtime-service-base:test";
const PAGE = readFileSync(`${PROJECT}/docs/container-image.md`, "utf8").replaceAll(/\s*\\\n\s*/g, " ");
const WALLS = ["--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--init"];
const FOR_SANDBOXES = ["--security-opt seccomp=docker/seccomp-host.json", "--security-opt systempaths=unconfined"];
const SERVE = ["serve", "--log", "json", "--json", "--port", "0", "--drain", "5"];

const docker = async (...args: string[]) =>
  (await promisify(execFile)("docker", args, { cwd: PROJECT, maxBuffer: 1 << 26 })).stdout;
const words = (options: string[]) => options.flatMap((option) => option.split(" "));

/** The sandbox image with this host's Node.js and bubblewrap, and the libraries that both need. */
async function makeBase(): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), "iso-base-"));
  try {
    const programs = [process.execPath, execFileSync("sh", ["-c", "command -v bwrap"], { encoding: "utf8" }).trim()];
    const libraries = programs.flatMap((program) =>
      [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/=> (\/\S+)/g)].map(([, path = ""]) => path),
    );
    // Of the C library each image has its own.
    const needed = [...new Set(libraries)].filter((path) => !/\/(libc|libm|libdl|libpthread|librt)\.so/.test(path));
    const copies = [
      ...programs.map((from, index) => ({ from, to: `/usr/bin/${["node", "bwrap"][index]}` })),
      ...needed.map((from) => ({ from, to: from })),
    ];
    copies.forEach(({ from }, index) => void copyFileSync(from, join(context, String(index))));
    const lines = copies.map(({ to }, index) => `COPY ${index} ${to}`);
    writeFileSync(join(context, "Dockerfile"), [`FROM ${DEFAULT_IMAGE}`, "USER 0", ...lines, ""].join("\n"));
    await docker("build", "--quiet", "--tag", BASE, context);
  } finally {
    await removeTree(context);
  }
}

/** A service in a container, on this host's own network, and a client of it. */
async function serving(options: string[], ...flags: string[]) {
  const id = (await docker("run", "--detach", "--network", "host", ...options, TAG, ...SERVE, ...flags)).trim();
  onTestFinished(async () => void (await docker("rm", "--force", "--volumes", id)));
  const logs = () => promisify(execFile)("docker", ["logs", id]);
  await expect
    .poll(async () => (await logs()).stdout + (await logs()).stderr, { timeout: 60_000 })
    .toMatch(/"token"|rror/);
  const { stdout, stderr } = await logs();
  if (!stdout.includes('"token"')) throw new Error(`${stdout}${stderr}`);
  const { url, token } = JSON.parse(stdout.split("\n")[0] ?? "");
  const stop = async () => {
    await docker("stop", "--time", "30", id);
    const exit = (await docker("inspect", "--format", "{{.State.ExitCode}}", id)).trim();
    return { exit, log: (await logs()).stderr };
  };
  return { client: createClient({ url, token, user: "alice" }), stop };
}

const REQUEST = {
  code: "import os\nopen(os.environ['OUTPUT_DIR'] + '/a.txt', 'w').write('a')\nprint(os.getuid())",
  contract: [{ path: "a.txt", description: "a file" }],
};

describe.skipIf(process.env.ISO_RUNTIME_TEST_NO_DOCKER === "1")("the image of the service", () => {
  beforeAll(async () => {
    await makeBase();
    const env = { ...process.env, BASE, DOCKER_BUILD_FLAGS: "--quiet --network none" };
    await promisify(execFile)("sh", ["deploy/image.sh", TAG], { cwd: PROJECT, env, maxBuffer: 1 << 26 });
  }, 300_000);
  afterAll(async () => void (await docker("rmi", "--force", TAG, BASE)));

  it("makes sandboxes with bubblewrap, without a capability, and stops in order", async () => {
    const options = [...WALLS, ...FOR_SANDBOXES];
    const { client, stop } = await serving([
      ...words([...options, "--security-opt apparmor=unconfined"]),
      "-v",
      "/data",
    ]);
    const result = await client.runs.create(REQUEST);
    expect(result).toMatchObject({ ok: true, contract: [{ status: "satisfied" }] });
    expect(result.sandbox?.policy.isolation).toMatchObject({ hostUid: 10_000, seccomp: true });
    expect(await (await client.workspace.get("a.txt")).text()).toBe("a");
    const under = await client.runs.start({ code: "import time\ntime.sleep(1)" });
    for await (const { type } of client.runs.events(under.runId)) if (type === "run.started") break;
    const { exit, log } = await stop();
    expect(exit).toBe("0");
    expect(log).toMatch(new RegExp(`"event":"run","runId":"${under.runId}".*"status":"succeeded"`));
    for (const option of options) expect(PAGE).toContain(option);
  });

  it("makes sandboxes with the engine that it runs in itself, by the names that the engine has for its folders", async () => {
    const socket = process.env.DOCKER_HOST?.replace("unix://", "") ?? "";
    const folder = mkdtempSync(join(tmpdir(), "iso-dind-"));
    onTestFinished(() => removeTree(folder));
    mkdirSync(join(folder, "data"), { mode: 0o777 });
    execFileSync("chown", ["10000:10000", join(folder, "data")]);
    const options = [
      ...words([...WALLS, "--tmpfs /tmp"]),
      ...["-v", `${socket}:/var/run/docker.sock`, "--group-add", String(statSync(socket).gid)],
      ...["-v", `${folder}/data:/data`, "-e", `ISO_RUNTIME_DOCKER_HOST_PATH_MAP=/data=${folder}/data`],
    ];
    const { client, stop } = await serving(options, "--backend", "docker");
    const result = await client.runs.create(REQUEST);
    expect(result).toMatchObject({ ok: true, contract: [{ status: "satisfied" }], sandbox: { backend: "docker" } });
    expect(readFileSync(join(folder, "data/workspace/alice/out/a.txt"), "utf8")).toBe("a");
    expect((await stop()).exit).toBe("0");
    const left = await docker("ps", "--all", "--quiet", "--filter", "label=iso-runtime.instance");
    expect(left).toBe("");
  });
});
