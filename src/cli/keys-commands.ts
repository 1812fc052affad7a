// The subcommands of `iso-runtime keys` as the command line knows them; what they do is in keys.ts.
import type { Command } from "commander";
import { addGroup, addMember } from "./command-group.js";

const HELP = `
A key is shown once, when it is made; what is kept of it cannot be used. A service that runs takes a new key at once,
and a revoked one no more. Exit status: 0 done; 2 usage, or no such key; 3 a fault of ours.

  iso-runtime keys create --user alice > alice.key
  iso-runtime keys create --any-user --label "the chat backend" --expires 90d
  iso-runtime keys revoke 4d1f0c8k2m9x`;

export function addKeysCommands(program: Command): void {
  const keys = addGroup(program, {
    ...{ name: "keys", description: "who may call the service: create, list, revoke", help: HELP },
  });
  const commands = () => import("./keys.js");
  addMember(keys, "create", "make a key and print it")
    .option("-u, --user <id>", "the one user whom it acts for")
    .option("--any-user", "it may act for every user, and read the service's figures")
    .option("--read-only", "it may look, and change nothing")
    .option("--label <text>", "what it is for", "")
    .option("--expires <when>", "as 12h, 90d, or a date like 2030-01-31 (default: never)")
    .action(async (flags) => {
      process.exitCode = await (await commands()).createCommand(flags);
    });
  addMember(keys, "list", "list the keys, the oldest first, without what is secret").action(async (flags) => {
    process.exitCode = await (await commands()).listCommand(flags);
  });
  addMember(keys, "revoke <id>", "let a key be used no more").action(async (id, flags) => {
    process.exitCode = await (await commands()).revokeCommand(id, flags);
  });
}
