// The law of src/sandbox/backend.ts as tests: every backend passes these, near or far.
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, LIMITS, type LimitName } from "../../src/model/limits.js";
import { removeTree } from "../../src/safefs/tree.js";
import type { BackendContext, Sandbox, SandboxBackend } from "../../src/sandbox/backend.js";
import { oneUser } from "../../src/sandbox/host-users.js";
import { DEFAULT_IMAGE, type Profile } from "../../src/sandbox/profile.js";
import { openChannel } from "../../src/sandbox/protocol/channel.js";
import type { Exit } from "../../src/sandbox/protocol/frames.js";

const suiteProfile: Profile = {
  ...{
    name: "suite",
    backend: "auto",
    image: DEFAULT_IMAGE,
    runtime: null,
    python: null,
    network: "none",
    limits: DEFAULT_LIMITS,
  },
  ...{ cwd: "work", env: {}, packages: [], preimports: [], require: [] },
};

export function backendSuite(name: string, make: (context: BackendContext) => SandboxBackend): void {
  describe(`the backend ${name}`, () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), "iso-backend-")));
    const asRoot = process.getuid?.() === 0;
    const owner = { uid: asRoot ? 10001 : (process.getuid?.() ?? 0), gid: asRoot ? 10001 : (process.getgid?.() ?? 0) };
    const context: BackendContext = {
      instance: { id: "suite", rootId: `suite${process.pid}` },
      slotsDir: join(root, "slots"),
      users: oneUser(owner),
      runnerDir: fileURLToPath(new URL("../../python", import.meta.url)),
      ...{ python: null, searchPath: process.env.PATH ?? "" },
      docker: { host: process.env.DOCKER_HOST ?? null, hostPathMap: [] },
    };
    let backend: SandboxBackend;
    let turn = 0;
    beforeAll(() => {
      mkdirSync(context.slotsDir);
      backend = make(context);
    });
    afterAll(async () => {
      await backend.close();
      expect(readdirSync(context.slotsDir)).toEqual([]);
      await removeTree(root);
    });

    /** A folder as the workspace prepares one. */
    function prepared(files: Record<string, string> = {}): string {
      turn += 1;
      const dir = join(root, `run${turn}`);
      for (const part of ["", "work", "out"]) {
        mkdirSync(join(dir, part));
        if (part) chownSync(join(dir, part), owner.uid, owner.gid);
      }
      for (const [path, text] of Object.entries(files)) {
        writeFileSync(join(dir, path), text);
        chownSync(join(dir, path), owner.uid, owner.gid);
      }
      return dir;
    }

    function start(sandbox: Sandbox, code: string) {
      let stdout = "";
      let begun = () => {};
      const hasBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const exit = new Promise<Exit | null>((resolve) => {
        const channel = openChannel(sandbox.channel, {
          begun: () => begun(),
          output: (stream, bytes) => {
            if (stream === "stdout") stdout += bytes.toString();
          },
          ...{ programMessage() {}, badProgramMessage() {}, trace() {}, problem() {} },
          exit: resolve,
          closed: () => resolve(null),
        });
        channel.sendJob({
          ...{ code, runId: "r", turnId: "t", userId: "u", args: [], env: {}, stdin: null, tools: [] },
          ...{ work: sandbox.inside.work, out: sandbox.inside.out, cwd: sandbox.inside.work },
          limits: { openFiles: 256, fileSize: 1_000_000, processes: null, addressSpace: null },
        });
      });
      return { exit, hasBegun, stdout: () => stdout };
    }

    async function once(code: string, files: Record<string, string> = {}) {
      const dir = prepared(files);
      const sandbox = await backend.boot(suiteProfile);
      try {
        await sandbox.deliver(dir);
        const program = start(sandbox, code);
        const exit = await program.exit;
        const kernel = await sandbox.stop();
        await sandbox.collect();
        return { dir, exit, kernel, stdout: program.stdout(), policy: sandbox.policy() };
      } finally {
        await sandbox.dispose();
      }
    }

    it("says what it can do here", async () => {
      const probe = await backend.probe();
      expect(probe.usable, JSON.stringify(probe.checks)).toBe(true);
      expect(probe.checks.length).toBeGreaterThan(0);
    });

    it("takes files in, runs, and gives files back", async () => {
      const code =
        'import os\nout = os.environ["OUTPUT_DIR"]\nprint(open(out + "/in.txt").read())\nopen(out + "/made.txt", "w").write("made")\nos.remove(out + "/in.txt")';
      const { dir, exit, stdout } = await once(code, { "out/in.txt": "given" });
      expect(stdout).toBe("given\n");
      expect(exit).toMatchObject({ exitCode: 0, signal: null });
      expect(readdirSync(join(dir, "out"))).toEqual(["made.txt"]);
      expect(readFileSync(join(dir, "out/made.txt"), "utf8")).toBe("made");
    });

    it("tells exit codes and signals apart", async () => {
      expect((await once("raise SystemExit(137)")).exit).toMatchObject({ exitCode: 137, signal: null });
      expect((await once("import os; os.kill(os.getpid(), 9)")).exit).toMatchObject({
        exitCode: null,
        signal: "SIGKILL",
      });
    });

    it("stops a program that runs, and again without harm", async () => {
      const sandbox = await backend.boot(suiteProfile);
      await sandbox.deliver(prepared());
      const program = start(sandbox, "while True: pass");
      await program.hasBegun;
      await sandbox.stop();
      await sandbox.stop();
      await sandbox.ended;
      expect(await program.exit).toBeNull();
      await sandbox.dispose();
      await sandbox.dispose();
    });

    it("ends a sandbox that was never used", async () => {
      const sandbox = await backend.boot(suiteProfile);
      expect(sandbox.python.version).toMatch(/^3\.\d+/);
      await sandbox.dispose();
      await sandbox.ended;
    });

    it("keeps two sandboxes' files apart", async () => {
      const [one, two] = await Promise.all(
        ["one", "two"].map((text) =>
          once('import os\nprint(sorted(os.listdir(os.environ["OUTPUT_DIR"])))', { [`out/${text}`]: text }),
        ),
      );
      expect(one?.stdout).toBe("['one']\n");
      expect(two?.stdout).toBe("['two']\n");
    });

    it("reports a policy with every limit, in the table's units", async () => {
      const { policy } = await once("");
      for (const limit of Object.keys(LIMITS) as LimitName[]) {
        expect(policy.limits[limit]).toMatchObject({ value: suiteProfile.limits[limit], unit: LIMITS[limit].unit });
      }
      expect(policy.isolation.hostUid).not.toBe(0);
    });

    it("leaves nothing beside the delivered folders", async () => {
      await once("");
      // What a backend keeps for itself is there once, not once a sandbox.
      const kept = readdirSync(context.slotsDir);
      const { dir } = await once("");
      expect(existsSync(dir)).toBe(true);
      expect(readdirSync(context.slotsDir)).toEqual(kept);
    });
  });
}
