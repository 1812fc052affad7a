// The command line's program: names commands and flags, loads the command that was asked for, and decides how the process ends.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { packageFile } from "../model/package-files.js";
import { addDaemonCommands } from "./daemon-commands.js";
import { collect, once } from "./flags.js";
import { addKeysCommands } from "./keys-commands.js";
import { addReceiptsCommands } from "./receipts-commands.js";
import { tellFault, usageError } from "./usage-error.js";
import { addWorkspaceCommands } from "./workspace-commands.js";

const RUN_HELP = `
One of FILE, -c and --scenario is needed. Exit status: 0 succeeded; 1 the run failed; 2 usage or
rejected request; 3 no sandbox, or a fault of ours; 124 timed out; 130 cancelled; 137 out of memory.

  iso-runtime run -c 'print(1)'
  iso-runtime run report.py --contract report.csv="the report" -- 2026
  iso-runtime run --scenario 3`;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

// A reader that left (`| head`) is no fault of the run's: it goes on to its end, keeps its files and tells its exit status.
// Every other failure of a write that matters is told by writeOut.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

// What follows the first -- belongs to the snippet, whatever it looks like and wherever the snippet comes from.
const argv = process.argv.slice(2);
const end = argv[0] === "run" && argv.includes("--") ? argv.indexOf("--") : argv.length;
const snippetArgs = argv.slice(end + 1);

const program = new Command("iso-runtime")
  .description("Run code that a model wrote, safely, and know exactly what happened.")
  .version(packageVersion())
  .exitOverride()
  .configureOutput({ writeErr: () => undefined })
  .allowUnknownOption()
  .action(() => {
    const [first] = program.args;
    if (first?.startsWith("-")) program.error(`unknown option '${first}'. Flags follow the command: ${commandNames()}`);
    if (first !== undefined) unknownCommand(first);
    process.stderr.write(program.helpInformation());
    process.exitCode = 2;
  })
  .hook("preAction", (_program, command) => refuseSwallowedFlags(command));

program
  .command("run [file] [args...]")
  .description("run one snippet and report; FILE, or - for standard input; what follows -- becomes sys.argv[1:]")
  .option("-c <code>", "the snippet itself", once)
  .option("--scenario <text>", "a scenario of the bundle, by free text", once)
  .option("-u, --user <id>", "whose workspace", "local")
  .option("--workspace <name>", "another workspace of the same user")
  .option("--turn <id>", "the turn the run belongs to (default: the run's id)")
  .option("--contract <path=description>", "a file the run must produce, below out/; repeatable", collect)
  .option("--contract-file <file>", "a contract as JSON")
  .option("--side-effects", "no contract; list what changed (the default where no contract is given)")
  .option("--timeout <seconds>", "0.1-86400, fractions allowed (default: the profile's, 60)")
  .option("--profile <name>", "limits, backend, Python (default: default)")
  .option("--backend <name>", "auto, bubblewrap or docker")
  .option("--require <what>", "what the run must really have, as memory:kernel; repeatable", collect)
  .option("--tools <descriptor>", "a tools descriptor")
  .option("--bundle <dir>", "a bundle: tools, scenarios, profiles")
  .option("--config <file>", "a config file that may set everything")
  .option("--env <key=value>", "a variable for the snippet; repeatable", collect)
  .option("--sync <mode>", "always, on-success or never (default: always)")
  .option("--durability <mode>", "process or disk (default: process)")
  .option("--json", "stdout is exactly one result document")
  .option("--events", "stdout is one JSON event a line; the last is run.finished")
  .option("--no-daemon", "without the resident engine, though one runs")
  .option("--no-color", "no colour")
  .addHelpText("after", RUN_HELP)
  .action(async (file, args, flags) => {
    const signal = cancelOnSignal();
    const { runCommand } = await import("./run.js");
    process.exitCode = await runCommand({ ...flags, code: flags.c, file, args: [...args, ...snippetArgs] }, signal);
  });

program
  .command("scenarios")
  .description("list the scenarios of the bundle")
  .option("--bundle <dir>", "a bundle of your own")
  .option("--json", "as JSON")
  .action(async (flags) => {
    const { scenariosCommand } = await import("./scenarios.js");
    process.exitCode = await scenariosCommand(flags);
  });

program
  .command("doctor")
  .description("what works on this host, what does not, and the command that mends it")
  .option("--backend <name>", "one backend only")
  .option("--config <file>", "a config file")
  .option("--fix", "build what can be built: the Docker image")
  .option("--attack", "run harmless attacks against the engine as configured, and show which layer held each")
  .option("--profile <name>", "with --attack: the profile whose engine is attacked")
  .option("--require <what>", "with --attack: what must really be enforced, as memory:kernel; repeatable", collect)
  .option("--json", "as JSON")
  .action(async (flags) => {
    const signal = flags.attack ? cancelOnSignal() : null;
    const { checkAttackFlags } = await import("./attack-flags.js");
    await checkAttackFlags(flags);
    if (signal) {
      const { attackCommand } = await import("./attack.js");
      process.exitCode = await attackCommand(flags, signal);
    } else {
      const { doctorCommand } = await import("./doctor.js");
      process.exitCode = await doctorCommand(flags);
    }
  });

program
  .command("bench")
  .description("how long a run takes here, beside a bare python3: percentiles and throughput, all sides in turns")
  .option("--backend <names>", "which, with commas between several (default: all that work here)")
  .option("--start <kinds>", "cold, warm (default: both)")
  .option("--concurrency <numbers>", "how many runs at once, 1-64 (default: 1,4)")
  .option("--files <numbers>", "files of a workspace, 0-100000 (default: 0,1000)")
  .option("--rounds <number>", "turns of each side (default: 20)")
  .option("-c <code>", "a snippet of yours instead of the standard one", once)
  .option("--profile <name>", "limits, backend, Python (default: default)")
  .option("--config <file>", "a config file")
  .option("--html <file>", "write a report as a page")
  .option("--svg <file>", "write the picture alone")
  .option("--json", "stdout is exactly one report")
  .option("--no-color", "no colour")
  .action(async (flags) => {
    const signal = cancelOnSignal();
    const { benchCommand } = await import("./bench.js");
    process.exitCode = await benchCommand({ ...flags, code: flags.c }, program.version() ?? "unknown", signal);
  });

program
  .command("serve")
  .description("the HTTP API, until SIGTERM or SIGINT")
  .option(
    "--host <address>",
    "where it listens: an address of this host alone, or any where there are keys",
    "127.0.0.1",
  )
  .option("--port <number>", "0: one that is free", "8321")
  .option("--drain <seconds>", "how long runs may go on after the signal; then they are cancelled", "30")
  .option("--allow-host <name[:port]>", "another name by which it is reached, as behind a proxy; repeatable", collect)
  .option("--concurrency <number>", "runs at work at once (default: eight times the processors)")
  .option("--concurrency-per-user <number>", "of one user (default: the processors, at least 2)")
  .option("--queue <number>", "runs that wait for their turn; more are told to ask again later", "4000")
  .option("--queue-per-user <number>", "of one user", "1000")
  .option("--rate <runs/unit>", "of each user, as 10/s, 60/m or 1000/h (default: no limit)")
  .option("--storage <size>", "of each user's workspaces, as 2GiB (default: no limit)")
  .option("--keep-days <number>", "how long a run is kept that has ended: its result, events and request", "30")
  .option("--keep-runs <number>", "how many of one user", "10000")
  .option("--keep-bytes <size>", "how much of one user", "1GiB")
  .option("--profile <name>", "of runs that name none (default: default)")
  .option("--backend <name>", "auto, zygote, bubblewrap or docker")
  .option("--tools <descriptor>", "a tools descriptor")
  .option("--bundle <dir>", "a bundle: tools, scenarios, profiles")
  .option("--config <file>", "a config file that may set everything")
  .option("--log <format>", "text, json or off: a line on stderr for each request and each run's end", "text")
  .option("--log-level <level>", "debug, info, warn or error", "info")
  .option("--json", "stdout is one document, when it listens: its address and token")
  .action(async (flags) => {
    const signal = cancelOnSignal();
    const { serveCommand } = await import("./serve.js");
    process.exitCode = await serveCommand(flags, program.version() ?? "unknown", signal);
  });

addKeysCommands(program);
addReceiptsCommands(program);
addWorkspaceCommands(program);
addDaemonCommands(program, cancelOnSignal);

program
  .command("help [command]")
  .description("what a command takes")
  .action((name?: string) => {
    const asked = name === undefined ? program : program.commands.find((command) => command.name() === name);
    (asked ?? unknownCommand(name)).outputHelp();
  });

// After the commands, which would inherit it: the root's action names the command that there is not.
program.allowExcessArguments();

/** Sets the exit status; by then everything is said. */
export async function main(): Promise<void> {
  try {
    await program.parseAsync(argv.slice(0, end), { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were asked for and are printed already.
      process.exitCode = error.exitCode === 0 ? 0 : await usageError(argv, error.message);
    } else process.exitCode = tellFault(error);
  }
}

/** The first signal cancels the run; the second ends the process, and with it every sandbox. Set before the slow imports. */
function cancelOnSignal(): AbortSignal {
  const cancel = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (cancel.signal.aborted) process.exit(130);
      cancel.abort();
    });
  }
  return cancel.signal;
}

/** Commander takes whatever follows a flag for its value: `--user --json` would run as the user `--json` and print no document. */
function refuseSwallowedFlags({ options }: Command): void {
  const words = argv.slice(1, end);
  const named = (word: string | undefined) => options.find(({ short, long }) => word && [short, long].includes(word));
  for (let index = 0; index < words.length; index++) {
    const option = named(words[index]);
    if (!option?.required) continue;
    index++;
    if (named(words[index])) program.error(`option '${option.flags}' argument missing: ${words[index]} is a flag`);
  }
}

function commandNames(): string {
  return program.commands.map((command) => command.name()).join(", ");
}

function unknownCommand(name = ""): never {
  return program.error(`unknown command '${name}'. There are: ${commandNames()}`);
}

function packageVersion(): string {
  const found: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  return typeof found === "object" && found !== null && "version" in found ? String(found.version) : "unknown";
}
