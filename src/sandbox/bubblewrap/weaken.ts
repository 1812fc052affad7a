// Takes layers away from a sandbox that is all made up, for tests that must see what each layer is good for. What is made without
// it passes through here untouched.
import type { Layer, Without } from "../layers.js";
import { hostFolders } from "../linux/without.js";

/** By the engine's own words. */
const UNSHARES: readonly [Layer, string][] = [
  ["pid-namespace", "--unshare-pid"],
  ["network-namespace", "--unshare-net"],
  ["ipc-namespace", "--unshare-ipc"],
  ["uts-namespace", "--unshare-uts"],
  ["cgroup-namespace", "--unshare-cgroup-try"],
];
/** Each is `--size N --perms MODE --tmpfs PATH`. */
const TMPFS: readonly [own: Layer, size: Layer, path: string][] = [
  ["private-tmp", "tmp-size", "/tmp"],
  ["private-shm", "shm-size", "/dev/shm"],
];

/** The arguments without what makes these layers. */
export function weakened(args: readonly string[], without: Without, sourceOf: (path: string) => string): string[] {
  if (without.size === 0) return [...args];
  const program = args.indexOf("--");
  let head = args.slice(0, program);
  const drop = (layer: Layer, ...words: string[]) => {
    if (without.has(layer)) head = replaced(head, words, []);
  };
  if (UNSHARES.some(([layer]) => without.has(layer)) || without.has("user-namespace")) {
    const kept = UNSHARES.filter(([layer]) => !without.has(layer)).map(([, flag]) => flag);
    head = replaced(head, ["--unshare-all"], kept);
  }
  drop("user-namespace", "--unshare-user");
  drop("user-namespace", "--disable-userns");
  drop("user-namespace", "--uid", "*", "--gid", "*");
  drop("pid-namespace", "--as-pid-1");
  drop("uts-namespace", "--hostname", "*");
  drop("read-only-root", "--remount-ro", "/");
  drop("seccomp", "--seccomp", "*");
  drop("nested-userns", "--disable-userns");
  drop("new-session", "--new-session");
  drop("environment", "--clearenv");
  // Those of a user namespace. The host's own are handed to nobody, not even in a test.
  if (without.has("capabilities") && !without.has("user-namespace"))
    head = replaced(head, ["--cap-drop", "ALL"], ["--cap-add", "ALL"]);
  if (without.has("proc-masks")) head = withoutBinds(head, "/proc/");
  if (without.has("private-dev")) {
    // A remount would forbid the devices it shows.
    head = replaced(replaced(head, ["--remount-ro", "/dev"], []), ["--dev", "/dev"], ["--dev-bind", "/dev", "/dev"]);
  }
  for (const [own, size, path] of TMPFS) {
    const mount = ["--perms", "*", "--tmpfs", path];
    if (without.has(own)) head = replaced(head, ["--size", "*", ...mount], ["--bind", sourceOf(path), path]);
    else if (without.has(size)) head = replaced(head, ["--size", "*", ...mount], ["--perms", "1777", "--tmpfs", path]);
  }
  const shown = without.has("minimal-root") ? hostFolders(new Set(["minimal-root"])) : [];
  const more = [
    ...shown.flatMap((path) => ["--ro-bind", sourceOf(path), path]),
    ...(without.has("sys") ? ["--bind", "/sys", "/sys"] : []),
  ];
  const closing = head.lastIndexOf("--chdir");
  // Before the root is closed, where it is: no folder could be made in it any more.
  const at = head[closing - 1] === "/" && head[closing - 2] === "--remount-ro" ? closing - 2 : closing;
  return [...head.slice(0, at), ...more, ...head.slice(at), ...args.slice(program)];
}

/** The first place where `words` stand, `*` for any one, replaced; as it is where they stand nowhere. */
function replaced(args: readonly string[], words: readonly string[], by: readonly string[]): string[] {
  const at = args.findIndex((_, start) => words.every((word, offset) => word === "*" || args[start + offset] === word));
  return at < 0 ? [...args] : [...args.slice(0, at), ...by, ...args.slice(at + words.length)];
}

function withoutBinds(args: readonly string[], below: string): string[] {
  const at = args.findIndex((word, index) => word === "--ro-bind" && args[index + 2]?.startsWith(below));
  return at < 0 ? [...args] : withoutBinds([...args.slice(0, at), ...args.slice(at + 3)], below);
}
