// What every sandbox on this kernel looks like from inside, whichever engine made it.

/** The one uid and gid there is inside. */
export const INSIDE_ID = 1000;
export const INSIDE = { work: "/sandbox/work", out: "/sandbox/out" } as const;
export const HOST_NAME = "sandbox";
