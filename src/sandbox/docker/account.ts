// Whom one container runs as: a user of the host, and the two files by which programs inside find a name for it, since an image's
// own know nothing of that uid.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { removeTree } from "../../safefs/remove.js";
import { accountFiles, writeReadableFiles } from "../account-files.js";
import type { BackendContext, HostUser } from "../backend.js";

export interface Account {
  readonly user: HostUser;
  /** Paths of the files, named as in /etc. */
  readonly files: readonly string[];
  /** Only once no process of the container is left. */
  giveBack(): Promise<void>;
}

export async function takeAccount({
  users,
  slotsDir,
  instance,
}: Pick<BackendContext, "users" | "slotsDir" | "instance">): Promise<Account> {
  const user = await users.lease();
  const dir = join(slotsDir, `${instance.id}-${randomBytes(8).toString("hex")}-account`);
  const giveBack = async () => {
    user.release();
    await removeTree(dir);
  };
  try {
    return { user, files: writeReadableFiles(dir, accountFiles(user)), giveBack };
  } catch (error) {
    await giveBack();
    throw error;
  }
}
