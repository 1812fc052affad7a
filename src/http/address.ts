// Where the service listens, and by which names it may be asked. Beyond this host only where there are keys to tell callers apart.
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { IsoError } from "../model/errors.js";

export interface Address {
  /** An IP address. */
  readonly host: string;
  readonly isLoopback: boolean;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");
/** Every address of this host. */
const ALL = ["0.0.0.0", "::"];

/** Throws IsoError `config_invalid` for what is no address, and for one that others reach where nobody has a key. */
export function listenAddress(host: string, hasKeys: () => boolean): Address {
  const address = host === "localhost" ? "127.0.0.1" : host;
  const family = isIP(address);
  const isLoopback = family !== 0 && LOOPBACK.check(address, family === 6 ? "ipv6" : "ipv4");
  if (isLoopback || (family !== 0 && hasKeys())) return { host: address, isLoopback };
  const what = family === 0 ? "is no IP address" : "is no address of this host alone, and there is no key yet";
  throw new IsoError("config_invalid", `--host: "${host.slice(0, 200)}" ${what}.`, {
    field: "--host",
    hint: "The service listens on 127.0.0.1 or ::1, or with keys anywhere: `iso-runtime keys create` makes one. Without, reach it through a tunnel, as `ssh -L 8321:127.0.0.1:8321`.",
  });
}

/** The address for whoever is on this host. */
export function urlOf(host: string, port: number): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${bracketed(reached)}:${port}/`;
}

/** Host headers of the address itself, in lower case. */
export function ownHosts({ host, isLoopback }: Address, port: number): string[] {
  const addresses = ALL.includes(host) ? interfaceAddresses(host) : [host];
  const names = [...addresses.map(bracketed), ...(isLoopback || ALL.includes(host) ? ["localhost"] : [])];
  return names.flatMap((name) => withPort(name, port));
}

/** Host headers of names that the operator gave; a name without a port is good with the service's own and with none. */
export function allowedHosts(names: readonly string[], port: number): string[] {
  return names.flatMap((given) => {
    const name = given.toLowerCase();
    if (!NAME.test(name)) {
      throw new IsoError("config_invalid", `--allow-host: "${given.slice(0, 200)}" is no name[:port].`, {
        field: "--allow-host",
        hint: "It is what clients send as Host: as api.example.org, or api.example.org:8443.",
      });
    }
    return /:\d+$/.test(name) ? [name] : [name, `${name}:${port}`];
  });
}

/** A client leaves out the port that is everybody's. */
const withPort = (name: string, port: number): string[] => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]);

const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

const NAME = /^([a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?$/;

function interfaceAddresses(host: string): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  // What listens on :: is reached by both families.
  return all.filter(({ family }) => host === "::" || family === "IPv4").map(({ address }) => address.toLowerCase());
}
