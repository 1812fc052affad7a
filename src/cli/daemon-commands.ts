// The subcommands of `iso-runtime daemon` as the command line knows them; what they do is in daemon/commands.ts.
import type { Command } from "commander";
import { addGroup, addMember } from "./command-group.js";

const HELP = `
A resident engine keeps sandboxes ready between calls of \`iso-runtime run\` by the same user with the same roots and settings; nobody needs
one, and none is started unasked. It ends when no run came for a while. Runs with tools or a bundle of your own never use it.

Exit status: 0 done; 1 status: there is none; 2 usage; 3 it cannot be started.`;

export function addDaemonCommands(program: Command, cancelOnSignal: () => AbortSignal): void {
  const daemon = addGroup(program, {
    ...{ name: "daemon", description: "a resident engine for repeated runs: start, stop, status", help: HELP },
  });
  const commands = () => import("./daemon/commands.js");
  const withConfig = (member: Command) => member.option("--config <file>", "a config file that may set everything");
  const idle = ["--idle <seconds>", "without a run for so long it ends (default: 600)"] as const;
  withConfig(addMember(daemon, "start", "start one, unless it runs already"))
    .option(...idle)
    .action(async (flags) => {
      process.exitCode = await (await commands()).startCommand(flags);
    });
  withConfig(addMember(daemon, "stop", "end it, after the runs it has"))
    .option("--all", "every engine of this sandbox root, whatever its configuration")
    .action(async (flags) => {
      process.exitCode = await (await commands()).stopCommand(flags);
    });
  withConfig(addMember(daemon, "status", "whether one runs, and what it does")).action(async (flags) => {
    process.exitCode = await (await commands()).statusCommand(flags);
  });
  // What `start` starts; a person would wait for it in vain.
  daemon
    .command("serve", { hidden: true })
    .option("--config <file>")
    .option(...idle)
    .action(async (flags) => {
      const signal = cancelOnSignal();
      process.exitCode = await (await commands()).serveCommand(flags, signal);
    });
}
