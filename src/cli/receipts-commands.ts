// The subcommands of `iso-runtime receipts` as the command line knows them; what they do is in receipts.ts.
import type { Command } from "commander";
import { addGroup, addMember } from "./command-group.js";

const HELP = `
Exit status: 0 whole; 1 something was changed, lost or reordered; 2 usage; 3 a fault of ours.

  iso-runtime receipts head                          # keep what it prints where the owner of this host cannot reach
  iso-runtime receipts verify --head 42:9f86d081…    # the journal still holds what it held then`;

export function addReceiptsCommands(program: Command): void {
  const receipts = addGroup(program, {
    ...{ name: "receipts", description: "the journal of all runs: verify, head, show, keygen", help: HELP },
  });
  const commands = () => import("./receipts.js");
  addMember(receipts, "verify [file]", "find any change, loss or reorder, in the root's journal or in a copy of one")
    .option("--head <seq:hash>", "what `receipts head` printed once: that receipt must still be there")
    .option("--since <file>", "the same for a file that has such a head on each line")
    .option(
      "--public-key <file>",
      "whose signatures they must be, several keys too (default: the one beside the root's journal)",
    )
    .option("--signed-from <seq>", "the first receipt that must be signed, as keygen printed it")
    .action(async (file, flags) => {
      process.exitCode = await (await commands()).verifyCommand(file, flags);
    });
  addMember(receipts, "head", "print number and hash of the last receipt, to keep elsewhere").action(async (flags) => {
    process.exitCode = await (await commands()).headCommand(flags);
  });
  addMember(receipts, "show <run-id>", "what is recorded of one run").action(async (runId, flags) => {
    process.exitCode = await (await commands()).showCommand(runId, flags);
  });
  addMember(receipts, "keygen", "make a key that signs every receipt from the next on").action(async (flags) => {
    process.exitCode = await (await commands()).keygenCommand(flags);
  });
}
