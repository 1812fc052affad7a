// The sandbox image: whether it is there, how it is built, and whether it has the distributions a profile asks for.
import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import type Docker from "dockerode";
import { IsoError } from "../../model/errors.js";
import { inTime, messageOf, statusOf } from "./engine.js";

const DOCKER_DIR = fileURLToPath(new URL("../../../docker", import.meta.url));
const BUILD_TIMEOUT_MS = 20 * 60_000;
const CHECK_TIMEOUT_MS = 60_000;
const CHECK =
  "import importlib.metadata as m, sys\nfor n in sys.argv[1:]:\n    try: m.version(n)\n    except m.PackageNotFoundError: print(n)";

const buildCommand = (image: string): string => `docker build -t ${image} -f ${DOCKER_DIR}/Dockerfile ${DOCKER_DIR}`;

/** The image's id. Throws `sandbox_unavailable` with the command that builds it; a run never builds one. */
export async function imageId(docker: Docker, image: string): Promise<string> {
  try {
    const { Id } = await inTime(docker.getImage(image).inspect(), "look for the image");
    return Id;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    throw new IsoError("sandbox_unavailable", `The Docker image "${image}" is not there.`, {
      hint: `Build it: iso-runtime doctor --fix, or ${buildCommand(image)}`,
      cause: error,
    });
  }
}

/** Throws `sandbox_unavailable` naming the distributions the image lacks. Runs one short container. */
export async function checkPackages(docker: Docker, image: string, packages: readonly string[]): Promise<void> {
  const output = new PassThrough();
  let text = "";
  output.setEncoding("utf8").on("data", (chunk: string) => {
    if (text.length < 65_536) text += chunk;
  });
  const options = {
    Entrypoint: ["python3", "-I", "-c", CHECK],
    Tty: true,
    HostConfig: { NetworkMode: "none", AutoRemove: true },
  };
  await inTime(docker.run(image, [...packages], output, options), "check the image's packages", CHECK_TIMEOUT_MS);
  const missing = text.split(/\s+/).filter((name) => packages.includes(name));
  if (missing.length === 0) return;
  throw new IsoError("sandbox_unavailable", `The image "${image}" lacks: ${missing.join(", ")}.`, {
    hint: `Build an image with them: a Dockerfile of "FROM ${image}", "USER 0", "RUN pip install ${missing.join(" ")}", "USER 10001", and name it as the profile's image.`,
  });
}

/** Builds the image from the package's Dockerfile, telling each line. */
export async function buildImage(docker: Docker, image: string, onLine: (line: string) => void): Promise<void> {
  const { pack } = await import("tar-stream");
  const context = pack();
  context.entry({ name: "Dockerfile" }, readFileSync(`${DOCKER_DIR}/Dockerfile`));
  context.finalize();
  // The client wants a stream of Node's own.
  const body = context.pipe(new PassThrough());
  const stream = await inTime(docker.buildImage(body, { t: image, networkmode: "host" }), "start the build");
  await inTime(
    new Promise<void>((resolve, reject) => {
      const tell = (event: { stream?: string; error?: string }) => {
        const line = event.stream?.trim();
        if (line) onLine(line);
      };
      docker.modem.followProgress(
        stream,
        (error: Error | null, events: { error?: string }[]) => {
          const failed = error?.message ?? events.find((event) => event.error)?.error;
          if (failed)
            reject(
              new IsoError("sandbox_unavailable", `The image cannot be built: ${messageOf(failed)}`, {
                hint: buildCommand(image),
              }),
            );
          else resolve();
        },
        tell,
      );
    }),
    "finish the build",
    BUILD_TIMEOUT_MS,
  );
}
