// Other ways to run a snippet. Each opens once and then runs one snippet after another, its stdout the answer; `what` says what is new for each run.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { IMAGE, Skip } from "../context.mjs";
import { debianPackages, npmPackage, pythonPackage, version } from "./install.mjs";
import { keptProcess } from "./lines.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const nothing = async () => {};

export const bare = {
  name: "python3 -I -c",
  what: "no sandbox at all",
  open: ({ run, python }) => ({ run: (code) => run(python, ["-I", "-c", code]), close: nothing }),
};

export const dockerRun = {
  name: "docker run",
  what: "a container for each run; no network, no bounds on memory and processes",
  async open({ run }) {
    await needDocker(run);
    const words = ["run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-I", "-c"];
    return { run: (code) => run("docker", [...words, code]), close: nothing };
  },
};

export const dockerExec = {
  name: "docker exec",
  what: "a process in one container that is kept: runs see each other's files and processes",
  async open({ run }) {
    await needDocker(run);
    const words = ["run", "--detach", "--rm", "--network", "none", "--entrypoint", "sleep", IMAGE, "infinity"];
    const id = (await run("docker", words)).trim();
    return {
      run: (code) => run("docker", ["exec", id, "python3", "-I", "-c", code]),
      close: () => run("docker", ["rm", "--force", id]),
    };
  },
};

export const bubblewrap = {
  name: "bwrap, by hand",
  what: "namespaces for each run; no bounds, no system call filter",
  async open({ run, python }) {
    const links = ["bin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]);
    const words = [
      ...["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr", ...links],
      ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", python, "-I", "-c"],
    ];
    return { run: (code) => run("bwrap", [...words, code]), close: nothing };
  },
};

export const srt = {
  name: "srt",
  what: "namespaces and proxies for each run; reads the whole host",
  async open({ run, python, folder }) {
    const root = await npmPackage("@anthropic-ai/sandbox-runtime");
    const command = join(root, "node_modules/.bin/srt");
    const env = { ...process.env, ...(await srtTools()) };
    const cwd = join(folder, "srt");
    const settings = join(cwd, "settings.json");
    mkdirSync(cwd);
    const filesystem = { denyRead: [], allowWrite: ["/tmp"], denyWrite: [] };
    writeFileSync(settings, JSON.stringify({ filesystem, network: { allowedDomains: [], deniedDomains: [] } }));
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const one = (code) => run(command, ["--settings", settings, "-c", `${python} -I -c ${quoted(code)}`], { cwd, env });
    return { run: one, close: nothing };
  },
};

export const pyodideFresh = {
  name: "Pyodide, a process each",
  what: "WebAssembly in a new Node process for each run",
  async open() {
    const one = async (code) => {
      const worker = await pyodideWorker();
      try {
        return await worker.run(code);
      } finally {
        await worker.close();
      }
    };
    await one("pass");
    return { run: one, close: nothing };
  },
};

export const pyodideKept = {
  name: "Pyodide, kept",
  what: "one interpreter for all: runs see each other's variables, and none can be stopped alone",
  open: () => pyodideWorker(),
};

export const llmSandbox = ["bubblewrap", "docker"].map((backend) => ({
  name: `llm-sandbox, ${backend}`,
  what: "a session that is kept: runs see each other's files",
  async open({ run, python }) {
    if (backend === "docker") await needDocker(run);
    const environment = await pythonPackage("llm-sandbox[docker]", python);
    const image = backend === "docker" ? await imageWithPython(run) : "none";
    const kept = await keptProcess(join(environment, "bin/python"), [here("llm-sandbox-worker.py"), backend, image]);
    const close = () => kept.close().then(() => backend === "docker" && run("docker", ["rmi", "--force", image]));
    return { run: kept.run, close };
  },
}));

/** The same image with the name that llm-sandbox starts Python by. */
async function imageWithPython(run) {
  const [name, image] = [`iso-bench-${process.pid}`, "iso-bench/llm-sandbox"];
  await run("docker", [
    "run",
    "--name",
    name,
    "--user",
    "root",
    "--network",
    "none",
    "--entrypoint",
    "ln",
    IMAGE,
    "-s",
    "python3",
    "/usr/bin/python",
  ]);
  await run("docker", ["commit", name, image]);
  await run("docker", ["rm", name]);
  return image;
}

async function pyodideWorker() {
  const root = await npmPackage("pyodide");
  return await keptProcess(process.execPath, [
    here("pyodide-worker.mjs"),
    join(root, "node_modules/pyodide/pyodide.mjs"),
  ]);
}

/** What srt looks for in PATH, where this host has it not. */
async function srtTools() {
  const isThere = (command, args) =>
    version(command, args).then(
      () => true,
      () => false,
    );
  if ((await isThere("socat", ["-V"])) && (await isThere("rg", ["--version"]))) return {};
  const root = await debianPackages(["socat", "ripgrep", "libwrap0"]);
  const libraries = ["x86_64", "aarch64"].map((arch) => join(root, `usr/lib/${arch}-linux-gnu`));
  return { PATH: `${join(root, "usr/bin")}:${process.env.PATH}`, LD_LIBRARY_PATH: libraries.join(":") };
}

async function needDocker(run) {
  try {
    await run("docker", ["image", "inspect", IMAGE]);
  } catch (error) {
    throw new Skip(`no Docker engine with ${IMAGE}: ${(error.stderr || error.message).trim().split("\n").at(-1)}`);
  }
}
