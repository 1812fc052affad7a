// What the daemon calls paths of ours.
import type { BackendContext } from "../backend.js";

type PathMap = BackendContext["docker"]["hostPathMap"];

/** The longest prefix of the map decides; without one a path is the same there as here. */
export function daemonPath(path: string, map: PathMap): string {
  const longest = fitting(path, map)[0];
  return longest ? longest.to + path.slice(longest.from.length) : path;
}

export function isMapped(path: string, map: PathMap): boolean {
  return fitting(path, map).length > 0;
}

function fitting(path: string, map: PathMap): PathMap[number][] {
  const fits = map.filter(({ from }) => path === from || path.startsWith(from.endsWith("/") ? from : `${from}/`));
  return fits.sort((a, b) => b.from.length - a.from.length);
}
