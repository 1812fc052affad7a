// What of this host's root a sandbox shows beside /usr: the links or folders of /bin and /lib, the few files of /etc that
// programs need, and what of /proc is covered. Reads the host; everything here is the same for all sandboxes.
import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";

export interface ReadOnlyBind {
  readonly source: string;
  readonly dest: string;
}

export interface Link {
  readonly at: string;
  readonly to: string;
}

export interface RootLayout {
  readonly links: readonly Link[];
  readonly binds: readonly ReadOnlyBind[];
  /** Paths of /proc that are shown read-only as the host has them, or covered by an empty file. */
  readonly readOnlyProc: readonly string[];
  readonly coveredProc: readonly string[];
}

const TOP_LEVEL = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/** Nothing of these is secret, and without them libraries, time zones, alternatives or TLS do not work. */
const ETC = [
  "ld.so.cache",
  "localtime",
  "protocols",
  "services",
  "alternatives",
  "mime.types",
  "fonts",
  "ssl/certs",
  "ssl/openssl.cnf",
  "pki/tls/certs",
  "pki/tls/openssl.cnf",
  "pki/ca-trust/extracted",
  "crypto-policies",
];

const READ_ONLY_PROC = ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"];
const COVERED_PROC = [
  "kcore",
  "keys",
  "key-users",
  "timer_list",
  "sched_debug",
  "latency_stats",
  "kallsyms",
  "config.gz",
];

/** `root` is "" on a real host. */
export function readRootLayout(root: string): RootLayout {
  const on = (path: string) => join(root || "/", path);
  const links: Link[] = [];
  const binds: ReadOnlyBind[] = [{ source: on("usr"), dest: "/usr" }];
  for (const name of TOP_LEVEL) {
    const kind = lstatSync(on(name), { throwIfNoEntry: false });
    if (kind?.isSymbolicLink()) links.push({ at: `/${name}`, to: readlinkSync(on(name)) });
    else if (kind?.isDirectory()) binds.push({ source: on(name), dest: `/${name}` });
  }
  for (const name of ETC) {
    const source = on(`etc/${name}`);
    if (existsSync(source)) binds.push({ source: realpathSync(source), dest: `/etc/${name}` });
  }
  return {
    links,
    binds,
    readOnlyProc: READ_ONLY_PROC.map((name) => `/proc/${name}`).filter((path) => existsSync(on(path))),
    coveredProc: COVERED_PROC.map((name) => `/proc/${name}`).filter((path) => existsSync(on(path))),
  };
}
