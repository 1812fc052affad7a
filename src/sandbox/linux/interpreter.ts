// Finds the Python a sandbox runs: the one chosen, else the first usable of the search path, asked once what it really is. What
// of it must be visible inside is interpreter-mounts.ts's.
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { IsoError } from "../../model/errors.js";
import type { KnownFacts } from "../known-facts.js";
import { OLDEST_PYTHON } from "../profile.js";
import { ask } from "./spawn.js";

const SYSTEM_PYTHON = "/usr/bin/python3";
const PROBE_TIMEOUT_MS = 20_000;

const Description = z.object({
  /** As it calls itself: in a virtual environment, the link of that environment. */
  executable: z.string().startsWith("/"),
  version: z.tuple([z.number(), z.number(), z.number()]),
  prefix: z.string().startsWith("/"),
  basePrefix: z.string().startsWith("/"),
  execPrefix: z.string().startsWith("/"),
  standardLibrary: z.string().startsWith("/"),
  /** In the names of files that hold its compiled code; null: it keeps none. */
  cacheTag: z
    .string()
    .regex(/^[\w.-]+$/)
    .nullish(),
  missing: z.array(z.string()),
});
type Description = z.infer<typeof Description>;

export interface Interpreter extends Omit<Description, "version" | "missing"> {
  readonly version: string;
}

const QUESTION = `
import json, os, sys
missing = []
if sys.argv[1:]:
    from importlib.metadata import PackageNotFoundError, version
    for name in sys.argv[1:]:
        try:
            version(name)
        except (PackageNotFoundError, ValueError):
            missing.append(name)
print(json.dumps({
    "executable": sys.executable, "version": list(sys.version_info[:3]), "prefix": sys.prefix,
    "basePrefix": sys.base_prefix, "execPrefix": sys.exec_prefix,
    "standardLibrary": os.path.dirname(os.__file__), "cacheTag": sys.implementation.cache_tag, "missing": missing,
}))
`;

export interface Wanted {
  /** A path, or a name to look for in the search path; null: whatever is found first. */
  readonly chosen: string | null;
  readonly searchPath: string;
  readonly packages: readonly string[];
  /** What earlier processes were told. */
  readonly facts?: KnownFacts | undefined;
}

interface Found {
  readonly interpreter: Interpreter;
  readonly mark: string;
}

const found = new Map<string, Promise<Found>>();

/** Asked once per process for the same wish, until another one lies in its place. Throws IsoError `sandbox_unavailable` that says what to do. */
export async function findInterpreter(wanted: Wanted): Promise<Interpreter> {
  const key = JSON.stringify([wanted.chosen, wanted.searchPath, wanted.packages]);
  const known = found.get(key);
  if (known !== undefined) {
    const { interpreter, mark } = await known;
    if (mark === markOf(interpreter)) return interpreter;
    if (found.get(key) === known) found.delete(key);
  }
  const finding = found.get(key) ?? find(wanted).then((interpreter) => ({ interpreter, mark: markOf(interpreter) }));
  found.set(key, finding);
  // What is missing may be there at the next attempt.
  finding.catch(() => found.delete(key));
  return (await finding).interpreter;
}

/** Differs once a link leads elsewhere, or an environment was made anew for another Python. */
function markOf({ executable, prefix }: Interpreter): string {
  const files = [executable, join(prefix, "pyvenv.cfg")].map((path) => statSync(path, { throwIfNoEntry: false }));
  return JSON.stringify(files.map((file) => file && [file.dev, file.ino, file.mtimeMs]));
}

async function find({ chosen, searchPath, packages, facts }: Wanted): Promise<Interpreter> {
  if (chosen !== null) return await use(resolveChosen(chosen, searchPath), packages, facts);
  const refused: string[] = [];
  for (const path of candidates(searchPath)) {
    const answer = await describe(path, packages, facts);
    if (typeof answer === "string") refused.push(answer);
    else return accept(answer, packages);
  }
  throw new IsoError("sandbox_unavailable", `No usable Python was found. ${refused.join(" ")}`.trim(), {
    hint: `Install Python ${OLDEST_PYTHON} or newer (Debian: apt-get install python3), or name one with ISO_RUNTIME_PYTHON.`,
  });
}

async function use(path: string, packages: readonly string[], facts?: KnownFacts): Promise<Interpreter> {
  const answer = await describe(path, packages, facts);
  if (typeof answer !== "string") return accept(answer, packages);
  throw new IsoError("sandbox_unavailable", `The chosen Python cannot be used: ${answer}`, {
    hint: `Name another one, as ISO_RUNTIME_PYTHON=${SYSTEM_PYTHON}, or leave it out to have one found.`,
  });
}

function resolveChosen(chosen: string, searchPath: string): string {
  if (isAbsolute(chosen)) return chosen;
  if (!chosen.includes("/")) {
    const path = folders(searchPath)
      .map((dir) => join(dir, chosen))
      .find(isProgram);
    if (path !== undefined) return path;
  }
  throw new IsoError("sandbox_unavailable", `The chosen Python ${JSON.stringify(chosen)} was not found.`, {
    hint: "Give its absolute path, or a name that is found on PATH.",
  });
}

function candidates(searchPath: string): string[] {
  const paths = [...folders(searchPath).map((dir) => join(dir, "python3")), SYSTEM_PYTHON];
  return [...new Set(paths)].filter(isProgram);
}

/** A relative entry would mean whatever folder the caller happens to be in. */
const folders = (searchPath: string): string[] => searchPath.split(":").filter(isAbsolute);

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** What it says of itself, or a sentence on why it is of no use. Which packages it has may change beside it: that is always asked. */
async function describe(path: string, packages: readonly string[], facts?: KnownFacts): Promise<Description | string> {
  if (facts === undefined || packages.length > 0) return await asked(path, packages);
  const name = `python ${path}`;
  const Known = z.object({ description: Description, marks: z.string() });
  const { data: known } = Known.safeParse(facts.get(name));
  if (known !== undefined && known.marks === marksOf(path, known.description)) return known.description;
  const answer = await asked(path, packages);
  if (typeof answer !== "string" && isTheProgram(path, answer))
    facts.keep(name, { description: answer, marks: marksOf(path, answer) });
  return answer;
}

/** What was asked is a program that answered itself: a script may ask another one the next time. */
function isTheProgram(path: string, { executable }: Description): boolean {
  try {
    if (realpathSync(path) !== realpathSync(executable)) return false;
    const head = Buffer.alloc(4);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    readSync(fd, head);
    closeSync(fd);
    return head.equals(Buffer.from("\x7fELF"));
  } catch {
    return false;
  }
}

/** Other ones where another program lies there, or what it would find beside itself is another. */
function marksOf(path: string, { executable, prefix, basePrefix, standardLibrary }: Description): string {
  const files = [path, executable, join(prefix, "pyvenv.cfg"), prefix, basePrefix, standardLibrary];
  const marks = files.map((file) => {
    const found = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return null;
    // Of folders what stands above theirs may change with each installation, which changes no answer.
    return [found.dev, found.ino, ...(found.isFile() ? [found.size, found.mtimeNs, found.ctimeNs] : [])].join();
  });
  return JSON.stringify(marks);
}

async function asked(path: string, packages: readonly string[]): Promise<Description | string> {
  const { exitCode, stdout, stderr } = await ask(path, ["-I", "-c", QUESTION, ...packages], {
    timeoutMs: PROBE_TIMEOUT_MS,
  });
  if (exitCode !== 0) return `${path} does not run: ${lastLine(stderr) || `it ended with ${exitCode ?? "a signal"}`}.`;
  const description = Description.safeParse(parseJson(lastLine(stdout)));
  if (!description.success) return `${path} is no Python: it does not answer as one.`;
  const { version } = description.data;
  if (!isRecent(version)) {
    return `${path} is Python ${version.join(".")}; ${OLDEST_PYTHON} or newer is needed.`;
  }
  return description.data;
}

function accept({ missing, version, ...rest }: Description, packages: readonly string[]): Interpreter {
  if (missing.length > 0) {
    const verb = missing.length === 1 ? "is" : "are";
    throw new IsoError(
      "sandbox_unavailable",
      `The profile needs ${packages.join(", ")}; of these ${missing.join(", ")} ${verb} not installed for ${rest.executable}.`,
      { hint: `${rest.executable} -m pip install ${missing.join(" ")}` },
    );
  }
  return { ...rest, version: version.join(".") };
}

function isRecent([major, minor]: readonly number[]): boolean {
  const [oldestMajor, oldestMinor] = OLDEST_PYTHON.split(".").map(Number);
  if (major === undefined || minor === undefined || oldestMajor === undefined || oldestMinor === undefined)
    return false;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)?.slice(0, 4096) ?? "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
