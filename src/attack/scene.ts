// What attacks are after: decoys that anybody on the host could read, listeners on its loopback, a neighbour's workspace, a
// variable in our own environment. All of it is ours, holds no secret, and is gone afterwards.
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Policy } from "../model/result.js";
import { removeTree } from "../safefs/remove.js";
import { plantVariable } from "../settings/settings.js";

const NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] as const;
const DECOY_FOLDERS = ["/tmp", "/var/tmp", "/dev/shm"] as const;

export interface Scene {
  readonly backend: string;
  /** What the sandbox of the probes had. */
  readonly policy: Policy;
  readonly isRoot: boolean;
  /** A word that stands in every decoy and nowhere else. */
  readonly secret: string;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Whether a tool that no program may call was called nevertheless. */
  readonly forbiddenToolRan: () => boolean;
}

export interface Decoys extends AsyncDisposable {
  readonly secret: string;
  /** By the names that probes know them by. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A variable of this process's environment that no program may find. */
export interface PlantedVariable extends Disposable {
  readonly name: string;
  readonly secret: string;
}

/** Before any engine is started: what an engine is given is what there is then. */
export function plantDecoyVariable(): PlantedVariable {
  const secret = `decoy-${randomBytes(12).toString("hex")}`;
  // A name of its own, as another attack may be at work in this process.
  const name = `ISO_RUNTIME_ATTACK_${secret.slice(-8)}`;
  const takeBack = plantVariable(name, secret);
  return { name, secret, [Symbol.dispose]: takeBack };
}

/** `victim` are folders of a user that the attacker is not. */
export async function setDecoys(
  { name: variable, secret }: PlantedVariable,
  victim: readonly string[],
  dockerHost: string | null,
): Promise<Decoys> {
  const folders: string[] = [];
  const servers: Server[] = [];
  const files: Record<string, string> = {};
  for (const folder of DECOY_FOLDERS) {
    const file = tryTo(() => decoyIn(folder, secret, folders));
    if (file !== null) files[folder] = file;
  }
  const listener = async (where: { port: number } | { path: string }) => {
    const server = createServer((socket) => socket.end(secret));
    server.unref();
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(where, resolve));
    servers.push(server);
    return server;
  };
  const server = await listener({ port: 0 });
  const address = server.address();
  const abstract = `\0${secret}`;
  const hasAbstract = await listener({ path: abstract }).then(
    () => true,
    () => false,
  );
  const socketPath = join(folders.at(1) ?? folders[0] ?? "/tmp", "socket");
  const hasSocket = await listener({ path: socketPath }).then(
    () => true,
    () => false,
  );
  if (hasSocket) chmodSync(socketPath, 0o666);
  return {
    secret,
    facts: {
      SECRET: secret,
      VARIABLE: variable,
      DECOYS: files,
      PORT: typeof address === "object" && address !== null ? address.port : 0,
      ABSTRACT: hasAbstract ? secret : null,
      SOCKET: hasSocket ? socketPath : null,
      DOCKER: /^unix:\/\/(\/.+)$/.exec(dockerHost ?? "")?.[1] ?? "/var/run/docker.sock",
      NAMESPACES: Object.fromEntries(
        NAMESPACES.map((name) => [name, tryTo(() => readlinkSync(`/proc/self/ns/${name}`))]),
      ),
      HOST_PID: process.pid,
      HOST_STARTED: tryTo(() => startOf("self")),
      VICTIM: victim,
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((each) => new Promise((resolve) => each.close(resolve))));
      await Promise.all(folders.map((folder) => removeTree(folder)));
    },
  };
}

/** What a namespace of ours is called; null where this host has none. */
export function namespaceOf({ NAMESPACES: ours }: Readonly<Record<string, unknown>>, kind: string): unknown {
  return typeof ours === "object" && ours !== null ? Reflect.get(ours, kind) : null;
}

function decoyIn(folder: string, secret: string, made: string[]): string {
  const dir = mkdtempSync(join(folder, "iso-runtime-attack-"));
  made.push(dir);
  chmodSync(dir, 0o755);
  const file = join(dir, "decoy");
  writeFileSync(file, `${secret}\n`);
  chmodSync(file, 0o644);
  return file;
}

/** Ticks since boot: with its pid they name a process. */
function startOf(pid: string): string | null {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

function tryTo<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}
