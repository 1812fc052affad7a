// Names and paths of files as parts of an address.

/** Throws TypeError for a name that an address would leave out. */
export function pathPart(name: string): string {
  if (name === "" || name === "." || name === "..") throw new TypeError(`"${name}" is no name that there can be`);
  return encodeURIComponent(name);
}

/** Throws TypeError for a path that an address would take for another one: `..` in it would lead to another route. */
export function filePath(path: string): string {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new TypeError(`"${path}" is no path of a file: it is relative, without "." and ".." and without empty parts`);
  }
  if (/\p{Surrogate}/u.test(path)) throw new TypeError("the path is no valid Unicode");
  return parts.map(encodeURIComponent).join("/");
}
