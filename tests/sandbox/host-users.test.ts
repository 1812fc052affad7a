// Leases of uids, with the kernel that keeps them: nobody has one twice, and none is lost with its holder.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { HostUser } from "../../src/sandbox/backend.js";
import { LeasedUsers, oneUser } from "../../src/sandbox/host-users.js";
import { tempDir } from "../support/temp.js";

const owner = { uid: 10_001, gid: 10_001 };
const nameOf = (uid: number) => `\0iso-runtime-uid-${uid}`;
let nextRange = 61_000;

/** A range nothing else on this machine leases from, other tests included. */
function leased(count: number): { users: LeasedUsers; first: number; all: number[] } {
  const first = nextRange;
  nextRange += count;
  const users = new LeasedUsers({ range: { first, last: first + count - 1 }, owner });
  return { users, first, all: Array.from({ length: count }, (_, index) => first + index) };
}

async function take(users: LeasedUsers, count: number): Promise<HostUser[]> {
  const taken = await Promise.all(Array.from({ length: count }, () => users.lease()));
  onTestFinished(() => {
    for (const user of taken) user.release();
  });
  return taken;
}

const uidsOf = (users: readonly HostUser[]) => users.map(({ uid }) => uid).sort((a, b) => a - b);

describe.skipIf(process.platform !== "linux")("leased users", () => {
  it("are each somebody else, also those leased at once and by others of this process", async () => {
    const { users, first, all } = leased(6);
    const others = new LeasedUsers({ range: { first, last: first + 5 }, owner });
    const both = [await take(users, 3), await take(others, 3)].flat();
    expect(uidsOf(both)).toEqual(all);
    for (const { uid, gid, exclusive } of both) expect([gid, exclusive]).toEqual([uid, true]);
  });

  it("say how many there are when none is left, and go on when one is free again", async () => {
    const { users, first } = leased(2);
    const [one] = await take(users, 2);
    await expect(users.lease()).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringContaining(`all 2 of ${first}-${first + 1}`),
      hint: expect.stringContaining("ISO_RUNTIME_SANDBOX_UIDS"),
    });
    expect(await users.check()).toMatchObject({ status: "fail", fix: expect.stringContaining("ISO_RUNTIME") });
    one?.release();
    one?.release();
    expect(uidsOf(await take(users, 1))).toEqual([one?.uid]);
  });

  it("pass over what a stranger has taken", async () => {
    const { users, first } = leased(2);
    const stranger = createServer().listen(nameOf(first));
    onTestFinished(() => void stranger.close());
    await once(stranger, "listening");
    expect(uidsOf(await take(users, 1))).toEqual([first + 1]);
    await expect(users.lease()).rejects.toMatchObject({ code: "sandbox_unavailable" });
  });

  it("are free again when the process that had them is killed", async () => {
    const { users, first } = leased(1);
    const code = `require("node:net").createServer().listen(${JSON.stringify(nameOf(first))}, () => console.log("up"))`;
    const holder = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void holder.kill("SIGKILL"));
    await once(holder.stdout, "data");
    await expect(users.lease()).rejects.toMatchObject({ code: "sandbox_unavailable" });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    expect(uidsOf(await take(users, 1))).toEqual([first]);
  });

  it("rest as long as can be before they are somebody else's", async () => {
    const { users, all } = leased(4);
    const turns: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const user = await users.lease();
      turns.push(user.uid);
      user.release();
    }
    expect(turns.sort((a, b) => a - b)).toEqual(all);
  });

  it("have nothing to say to whoever connects", async () => {
    const { users } = leased(1);
    const [user] = await take(users, 1);
    const caller = createConnection(nameOf(user?.uid ?? 0));
    await once(caller, "close");
    await expect(users.lease()).rejects.toMatchObject({ code: "sandbox_unavailable" });
  });

  it("are no account of this host and not the owner of the files", async () => {
    const root = tempDir();
    for (const dir of ["etc", "proc/self"]) mkdirSync(join(root, dir), { recursive: true });
    writeFileSync(join(root, "etc/passwd"), "ann:x:62001:62001::/:/bin/sh\n");
    const range = { first: 62_000, last: 62_002 };
    const users = new LeasedUsers({ range, owner: { uid: 62_000, gid: 62_000 }, root });
    expect(uidsOf(await take(users, 1))).toEqual([62_002]);
    expect(await users.check()).toMatchObject({ status: "fail" });
  });

  it("are of a range that fits into 16 bits where there are no more, and none where there is but one", async () => {
    const root = tempDir();
    mkdirSync(join(root, "proc/self"), { recursive: true });
    const map = (text: string) => {
      for (const name of ["uid_map", "gid_map"]) writeFileSync(join(root, "proc/self", name), text);
    };
    map("0 1000 1\n1 100000 65536\n");
    const [user] = await take(new LeasedUsers({ range: null, owner, root }), 1);
    expect(user?.uid).toBeGreaterThanOrEqual(50_000);
    expect(user?.uid).toBeLessThan(60_000);
    map("0 1000 1\n");
    const few = new LeasedUsers({ range: null, owner, root });
    await expect(few.lease()).rejects.toMatchObject({
      message: expect.stringContaining("70000-99999 or 50000-59999"),
      hint: expect.stringContaining("ISO_RUNTIME_SANDBOX_UIDS"),
    });
    map("0 0 4294967295\n");
    const [high] = await take(new LeasedUsers({ range: null, owner, root }), 1);
    expect(high?.uid).toBeGreaterThanOrEqual(70_000);
  });
});

it("an ordinary user is the one user there is, for all sandboxes", async () => {
  const users = oneUser({ uid: 1000, gid: 1001 });
  const both = [await users.lease(), await users.lease()];
  for (const user of both) expect(user).toMatchObject({ uid: 1000, gid: 1001, exclusive: false });
  expect(await users.check()).toBeNull();
});
