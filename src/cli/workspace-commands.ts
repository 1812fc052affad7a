// The subcommands of `iso-runtime workspace` as the command line knows them; what they do is in workspace.ts.
import type { Command } from "commander";
import { addGroup, addMember } from "./command-group.js";

const HELP = `
Versions are named as history lists them: by number, or by the whole id. Exit status: 0 done; 2 usage, or no
such workspace, file or version; 3 a fault of ours.

  iso-runtime workspace ls -u alice
  iso-runtime workspace cat report.csv -u alice > report.csv
  iso-runtime workspace diff 4 6 -u alice
  iso-runtime workspace undo -u alice        # the state before the last version; once more undoes the undo
  iso-runtime workspace undo 4 -u alice      # back to version 4`;

export function addWorkspaceCommands(program: Command): void {
  const workspace = addGroup(program, {
    name: "workspace",
    description: "the files of a workspace and its versions: ls, cat, rm, history, diff, undo",
    help: HELP,
  });

  // Loaded only when one of them runs: the other commands need none of it.
  const commands = () => import("./workspace.js");
  add(workspace, "ls", "list the files, with their bytes").action(async (flags) =>
    (await commands()).listCommand(flags),
  );
  add(workspace, "cat <path>", "write a file's bytes to stdout; on a terminal without control characters").action(
    async (path, flags) => (await commands()).catCommand(path, flags),
  );
  add(workspace, "rm <path>", "remove a file or folder; makes a version").action(async (path, flags) =>
    (await commands()).removeCommand(path, flags),
  );
  add(workspace, "history", "list the versions, newest first").action(async (flags) =>
    (await commands()).historyCommand(flags),
  );
  add(
    workspace,
    "diff [from] [to]",
    "what differs between two versions; one is compared with the live files; none: the last version with the one before",
  ).action(async (from, to, flags) => (await commands()).diffCommand(from, to, flags));
  add(workspace, "undo [version]", "make the state before the last version, or that version, the live one again")
    .option("--with-edits", "even where files of that version were edited in place by hand since: with these edits")
    .action(async (version, flags) => (await commands()).undoCommand(version, flags));
}

function add(workspace: Command, name: string, description: string): Command {
  return addMember(workspace, name, description)
    .option("-u, --user <id>", "whose workspace", "local")
    .option("--workspace <name>", "another workspace of the same user")
    .option("--config <file>", "a config file that may set everything");
}
