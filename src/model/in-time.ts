// Waiting for work no longer than so long. The work itself goes on.

/** What came of it; null where it takes longer. Rejects as it does. */
export async function within<T>(work: Promise<T>, timeoutMs: number): Promise<{ value: T } | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs);
  });
  try {
    return await Promise.race([work.then((value) => ({ value })), over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects with what `late` makes where it takes longer. */
export async function inTime<T>(work: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  const found = await within(work, timeoutMs);
  if (found === null) throw late();
  return found.value;
}
