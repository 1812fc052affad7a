// The subcommands of `iso-runtime receipts` as the command line knows them; what they do is in receipts.ts.
import type { Command } from "commander";

const HELP = `
Exit status: 0 whole; 1 something was changed, lost or reordered; 2 usage; 3 a fault of ours.

  iso-runtime receipts head                          # keep what it prints where the owner of this host cannot reach
  iso-runtime receipts verify --head 42:9f86d081…    # the journal still holds what it held then`;

export function addReceiptsCommands(program: Command): void {
  const receipts = program
    .command("receipts")
    .description("the journal of all runs: verify, head, keygen")
    .addHelpText("after", HELP)
    .allowExcessArguments()
    .allowUnknownOption()
    .action(() => {
      const first = receipts.args.find((word) => !word.startsWith("-"));
      const names = receipts.commands.map((command) => command.name()).join(", ");
      const what = first === undefined ? "receipts: nothing to do" : `receipts: there is no '${first}'`;
      receipts.error(`${what}. There are: ${names}`);
    });
  const commands = () => import("./receipts.js");
  add(receipts, "verify", "find any change, loss or reorder since the receipts were written")
    .option("--head <seq:hash>", "what `receipts head` printed once: that receipt must still be there")
    .option(
      "--public-key <file>",
      "whose signatures they must be (default: the key beside the journal, where there is one)",
    )
    .option("--signed-from <seq>", "the first receipt that must be signed, as keygen printed it")
    .action(async (flags) => {
      process.exitCode = await (await commands()).verifyCommand(flags);
    });
  add(receipts, "head", "print number and hash of the last receipt, to keep elsewhere").action(async (flags) =>
    (await commands()).headCommand(flags),
  );
  add(receipts, "keygen", "make a key that signs every receipt from the next on").action(async (flags) =>
    (await commands()).keygenCommand(flags),
  );
}

function add(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .allowExcessArguments(false)
    .allowUnknownOption(false)
    .option("--json", "stdout is exactly one document");
}
