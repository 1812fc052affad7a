// A command that is a group of others, as `iso-runtime workspace ls`: named alone or with a word it does not know, it says what there is.
import type { Command } from "commander";

export interface Group {
  name: string;
  description: string;
  /** What `--help` says after the flags. */
  help: string;
}

export function addGroup(program: Command, { name, description, help }: Group): Command {
  const group = program
    .command(name)
    .description(description)
    .addHelpText("after", help)
    .allowExcessArguments()
    .allowUnknownOption()
    .action(() => {
      const first = group.args.find((word) => !word.startsWith("-"));
      const names = group.commands.map((command) => command.name()).join(", ");
      const what = first === undefined ? `${name}: nothing to do` : `${name}: there is no '${first}'`;
      group.error(`${what}. There are: ${names}`);
    });
  return group;
}

/** One of the group's own, strict where the group had to take anything; each answers in one document where it is asked to. */
export function addMember(group: Command, name: string, description: string): Command {
  return group
    .command(name)
    .description(description)
    .allowExcessArguments(false)
    .allowUnknownOption(false)
    .option("--json", "stdout is exactly one document");
}
