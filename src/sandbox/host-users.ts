// Who a sandbox's processes are on the host. Where the host is root, each sandbox gets a uid that no other live sandbox of this host
// has, so that what the kernel counts for each user is its own. Elsewhere there is one user, the caller.
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { IsoError, toIsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { errnoOf } from "../safefs/errors.js";
import type { Check, HostUser, HostUsers } from "./backend.js";
import { contains, type IdRange, idAt, readIdTables, sizeOf, usableRanges } from "./id-ranges.js";

/** Everybody is `owner`: an ordinary user can become no other. */
export function oneUser(owner: FileOwner): HostUsers {
  const user: HostUser = { ...owner, exclusive: false, release: () => undefined };
  return { lease: async () => user, check: async () => null };
}

export interface LeasedUsersOptions {
  /** The operator's own range; null for ours. */
  readonly range: IdRange | null;
  /** Owns the workspaces' files; no program ever is this one. */
  readonly owner: FileOwner;
  /** Where the tables of ids are read; the host's own root without it. */
  readonly root?: string;
}

/** Above what 16 bits hold, and below where subordinate ids of accounts begin: no convention gives these to anybody. */
const OURS: IdRange = { first: 70_000, last: 99_999 };
/** In a container with a user namespace of its own there are mostly 65,536 ids, and hardly an account. */
const OURS_IN_16_BITS: IdRange = { first: 50_000, last: 59_999 };
/**
 * A lease is a socket listening at this abstract name: bound by one process at most, let go by the kernel when that one ends however
 * it ends, and no file anywhere. It holds for one network namespace, which is why a process begins at a random place in the range.
 */
const SOCKET_PREFIX = "\0iso-runtime-uid-";

export class LeasedUsers implements HostUsers {
  readonly #options: LeasedUsersOptions;
  #ranges: readonly IdRange[] | null = null;
  #next = 0;

  constructor(options: LeasedUsersOptions) {
    this.#options = options;
  }

  async lease(): Promise<HostUser> {
    const ranges = this.#usable();
    const count = sizeOf(ranges);
    for (let tries = 0; tries < count; tries += 1) {
      // In turn, so that an id rests as long as can be before it is somebody else's.
      const id = idAt(ranges, this.#next);
      this.#next = (this.#next + 1) % count;
      const held = await hold(`${SOCKET_PREFIX}${id}`);
      if (held !== null) return { uid: id, gid: id, exclusive: true, release: () => held.close() };
    }
    throw new IsoError(
      "sandbox_unavailable",
      `No uid is free for a sandbox: all ${count} of ${this.#shown()} are taken.`,
      { hint: `Let some runs end, or set ISO_RUNTIME_SANDBOX_UIDS to a wider range. ${WHO_HOLDS_THEM}` },
    );
  }

  async check(): Promise<Check> {
    const name = "host uids";
    try {
      (await this.lease()).release();
      const message = `each sandbox has one of its own, of ${sizeOf(this.#usable())} in ${this.#shown()}`;
      return { name, status: "ok", message };
    } catch (error) {
      const { message, hint } = toIsoError(error);
      return { name, status: "fail", message, ...(hint !== undefined && { fix: hint }) };
    }
  }

  #usable(): readonly IdRange[] {
    if (this.#ranges !== null) return this.#ranges;
    const { owner, root = "" } = this.#options;
    const { mapped, taken } = readIdTables((path) => readOrEmpty(`${root}${path}`));
    const owners = [owner.uid, owner.gid].map((id) => ({ first: id, last: id }));
    const ranges = this.#candidates()
      .map((range) => usableRanges(range, { mapped, taken: [...taken, ...owners] }))
      .find((usable) => usable.length > 0);
    if (ranges === undefined) {
      const fix =
        "Set ISO_RUNTIME_SANDBOX_UIDS=FIRST-LAST to ids that no account has and that this user namespace maps";
      throw new IsoError("sandbox_unavailable", `No uid of ${this.#shown()} can be used for sandboxes here.`, {
        hint: `${fix} (/proc/self/uid_map, /etc/passwd, /etc/subuid).`,
      });
    }
    this.#next = randomInt(sizeOf(ranges));
    this.#ranges = ranges;
    return ranges;
  }

  #candidates(): IdRange[] {
    const { range } = this.#options;
    return range === null ? [OURS, OURS_IN_16_BITS] : [range];
  }

  /** The range in use, or those that were tried. */
  #shown(): string {
    const first = this.#ranges?.[0]?.first;
    const ranges = this.#candidates().filter((range) => first === undefined || contains(range, first));
    return ranges.map(({ first, last }) => `${first}-${last}`).join(" or ");
  }
}

const WHO_HOLDS_THEM = "`ss -xl | grep iso-runtime-uid` lists what holds them.";

/** Null where somebody has that name. */
function hold(name: string): Promise<Server | null> {
  // Whoever connects has nothing to say to us.
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    // More than once: a connection that cannot be accepted for want of descriptors is an error as well, and none of ours.
    server.on("error", (error) => {
      if (errnoOf(error) === "EADDRINUSE") resolve(null);
      else reject(leaseFailed(error));
    });
    // Exclusive: else the workers of a cluster would share it.
    server.listen({ path: name, exclusive: true, backlog: 1 }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function leaseFailed(error: Error): IsoError {
  const { hint } = toIsoError(error);
  return new IsoError("sandbox_unavailable", `No uid can be taken for a sandbox: ${error.message}.`, {
    cause: error,
    ...(hint !== undefined && { hint }),
  });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
