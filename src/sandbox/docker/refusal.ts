// What an engine's refusals mean and the command that mends each; for the probe and for a boot that failed.
import { IsoError } from "../../model/errors.js";
import { EngineLate, messageOf, placeOf, statusOf } from "./engine.js";

export interface Refusal {
  readonly message: string;
  readonly fix: string | null;
  /** The engine itself cannot be reached: what is known of it may be true no more. */
  readonly unreachable: boolean;
}

/** `said` is what the container's first process wrote before it ended. */
export function explain(error: unknown, host: string | null, said: readonly string[] = []): Refusal {
  if (error instanceof IsoError) return { message: error.message, fix: error.hint ?? null, unreachable: false };
  if (statusOf(error) !== null) return explainAnswer(messageOf(error));
  const where = placeOf(host);
  const lost = (message: string, fix: string): Refusal => ({ message, fix, unreachable: true });
  if (error instanceof EngineLate) return lost(`${messageOf(error)} (${where})`, "sudo systemctl restart docker");
  switch (codeOf(error)) {
    case "ENOENT": {
      const fix = "sudo apt-get install docker.io, or set DOCKER_HOST; Docker is optional where bubblewrap works";
      return lost(`no Docker engine at ${where}`, fix);
    }
    case "EACCES":
      return lost(`no permission for ${where}`, "sudo usermod -aG docker $USER, then log in again");
    case "ECONNREFUSED":
      return lost(`the Docker engine at ${where} does not run`, "sudo systemctl start docker");
    case null: {
      const fix = said.some((line) => line.includes("exec format error"))
        ? "The image is for another kind of processor: pull or build it for this one."
        : null;
      return { message: messageOf(error), fix, unreachable: false };
    }
    default:
      return lost(`the Docker engine at ${where} does not answer: ${messageOf(error)}`, "docker info");
  }
}

/** The engine was there and said no. */
function explainAnswer(said: string): Refusal {
  const answered = (fix: string | null): Refusal => ({ message: said, fix, unreachable: false });
  if (said.includes("bind source path does not exist")) {
    return answered(
      "The engine does not see our folders. Where it runs elsewhere, say what it calls them: ISO_RUNTIME_DOCKER_HOST_PATH_MAP=/path/here=/path/there.",
    );
  }
  if (/^\(HTTP code 404\)/.test(said) && !/no such/i.test(said)) {
    return answered("What answers there may be no Docker engine: check DOCKER_HOST.");
  }
  if (said.includes("no space left on device")) {
    return answered(
      "The engine's disk is full: `docker system df` shows by what, `docker system prune` frees what is unused.",
    );
  }
  if (/"?python3"?: (executable file not found|no such file)/.test(said)) {
    return answered("The profile's image needs `python3` on its PATH.");
  }
  return answered(null);
}

/** What a socket calls its trouble; null for an error that is none of a socket. */
function codeOf(error: unknown): string | null {
  const code = typeof error === "object" && error !== null ? Reflect.get(error, "code") : null;
  return typeof code === "string" && /^E(?!RR_)[A-Z]/.test(code) ? code : null;
}
