// The sandbox image: whether it is there and fit, how it is built, and whether it has the distributions a profile asks for.
import { readFileSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import type Docker from "dockerode";
import { z } from "zod";
import { IsoError } from "../../model/errors.js";
import { packageFile } from "../../model/package-files.js";
import type { BackendContext } from "../backend.js";
import { DEFAULT_IMAGE, OLDEST_PYTHON } from "../profile.js";
import type { Machine } from "../seccomp/syscalls.js";
import { inTime, machineOf, messageOf, olderThan, statusOf } from "./engine.js";
import { ask, type Connection } from "./one-off.js";

const DOCKER_DIR = packageFile("docker");
const BUILD_TIMEOUT_MS = 20 * 60_000;

const QUESTION = `
import importlib.metadata, json, sys
missing = []
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        missing.append(name)
print(json.dumps(missing))
`;

const buildCommand = (image: string): string => `docker build -t ${image} -f ${DOCKER_DIR}/Dockerfile ${DOCKER_DIR}`;

export interface Image {
  readonly id: string;
  readonly machine: Machine | null;
}

/** The image of this name. Throws `sandbox_unavailable` with the command that gets it; a run never builds or pulls one. */
export async function findImage(docker: Docker, name: string): Promise<Image> {
  try {
    const { Id, Architecture, Config } = await inTime(docker.getImage(name).inspect(), "look for the image");
    refuseVolumes(name, Object.keys(Config?.Volumes ?? {}));
    return { id: Id, machine: machineOf(Architecture) };
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    throw new IsoError("sandbox_unavailable", `The Docker image "${name}" is not there.`, {
      hint:
        name === DEFAULT_IMAGE
          ? `Build it: iso-runtime doctor --fix, or ${buildCommand(name)}`
          : `Get it: docker pull ${name}, or build it under this name.`,
      cause: error,
    });
  }
}

/** The engine would make each a folder of the host's disk that a program may fill without bound. */
function refuseVolumes(name: string, volumes: readonly string[]): void {
  if (volumes.length === 0) return;
  throw new IsoError(
    "sandbox_unavailable",
    `The image "${name}" declares volumes (${volumes.join(", ")}), which nothing bounds.`,
    { hint: "Name an image without VOLUME in its Dockerfile." },
  );
}

/** The runner's hello tells the version, before any program runs. */
export function refuseOldPython(version: string, image: string): void {
  if (!olderThan(version, OLDEST_PYTHON)) return;
  throw new IsoError(
    "sandbox_unavailable",
    `The image "${image}" has Python ${version}; ${OLDEST_PYTHON} or later is needed.`,
    { hint: `Name an image with a newer one: the default is ${DEFAULT_IMAGE}.` },
  );
}

/** Throws `sandbox_unavailable` naming the distributions the image lacks. Runs one short container. */
export async function checkPackages(
  connection: Connection,
  context: BackendContext,
  image: { readonly id: string; readonly name: string },
  packages: readonly string[],
): Promise<void> {
  const command = ["python3", "-I", "-c", QUESTION, ...packages];
  const missing = parseMissing(await ask(connection, context, { image: image.id, command, mounts: [] }));
  if (missing.length === 0) return;
  throw new IsoError("sandbox_unavailable", `The image "${image.name}" lacks: ${missing.join(", ")}.`, {
    hint: `Build an image with them: a Dockerfile of "FROM ${image.name}", "USER 0", "RUN pip install ${missing.join(" ")}", "USER 10001", and name it as the profile's image.`,
  });
}

function parseMissing(answer: string): string[] {
  try {
    return z.array(z.string()).parse(JSON.parse(answer));
  } catch (error) {
    const said = answer.trim().slice(0, 200);
    throw new Error(`the image's Python did not tell its packages, it said: ${said}`, { cause: error });
  }
}

export interface Build {
  readonly image: string;
  /** The image to build on; the Dockerfile's own choice where there is none. */
  readonly base?: string;
  readonly onLine: (line: string) => void;
}

/** Builds the image from the package's Dockerfile, telling each line. The connection must bear minutes of silence. */
export async function buildImage(docker: Docker, { image, base, onLine }: Build): Promise<void> {
  const { pack } = await import("tar-stream");
  const context = pack();
  context.entry({ name: "Dockerfile" }, readFileSync(`${DOCKER_DIR}/Dockerfile`));
  context.finalize();
  // The client wants a stream of Node's own.
  const body = context.pipe(new PassThrough());
  const options = { t: image, networkmode: "host", ...(base !== undefined && { buildargs: { BASE: base } }) };
  const stream = await inTime(docker.buildImage(body, options), "start the build", BUILD_TIMEOUT_MS);
  try {
    await inTime(followed(docker, stream, onLine), "finish the build", BUILD_TIMEOUT_MS);
    // An engine that dies ends the stream like one that is done.
    await findImage(docker, image);
  } catch (error) {
    throw new IsoError("sandbox_unavailable", `The image cannot be built: ${messageOf(error)}`, {
      hint:
        base === undefined
          ? `Where its base cannot be pulled, build on an image that is there: ${buildCommand(image)} --build-arg BASE=that-image`
          : `${buildCommand(image)} --build-arg BASE=${base}`,
      cause: error,
    });
  } finally {
    if (stream instanceof Readable) stream.destroy();
  }
}

function followed(docker: Docker, stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error: Error | null, events: { error?: string }[] | null) => {
        const failed = error?.message ?? events?.find((event) => event.error)?.error;
        if (failed) reject(new Error(failed));
        else resolve();
      },
      (event: { stream?: string }) => {
        const line = event.stream?.trim();
        if (line) onLine(line);
      },
    );
  });
}
