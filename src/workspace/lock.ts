// The lock of a workspace: a queue of numbered tickets in a folder, first come first served among all processes of these
// roots. A ticket is a hard link to its instance's lock file, so the kernel knows whether its owner lives. Taking a free lock
// starts no process. docs/workspace.md has the protocol and its proof.
import { type FSWatcher, linkSync, lstatSync, mkdirSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { step } from "../model/steps.js";
import { errnoOf } from "../safefs/errors.js";
import { type OwnInstance, removeIfPresent } from "./instance.js";
import { waitUnlocked } from "./kernel-lock.js";

const TICKET = /^[1-9][0-9]{0,14}$/;
/** Between two looks at a queue where the system cannot watch folders, for want of inotify watches for example. */
const LOOK_AGAIN_MS = 50;
/** Between two attempts to remove a ticket that the disk did not let us remove: while it stands, other processes wait for it. */
const WITHDRAW_AGAIN_MS = 500;
/** Looks, a millisecond apart, before a process is started that watches over a holder's life: many locks are held for less. */
const QUICK_LOOKS = 5;

export interface QueueTicket {
  /** Lets the next one in. Idempotent. */
  release(): void;
}

/** The queues of one instance. */
export class LockQueues {
  readonly #instance: OwnInstance;
  readonly #root: string;
  /** Our own tickets that are in a queue, by path, and whom to wake when one is withdrawn. */
  readonly #own = new Map<string, Set<() => void>>();
  /** Withdrawn, but still there. */
  readonly #owed = new Set<string>();
  /** Queues in which somebody else was met last time. */
  readonly #contended = new Set<string>();
  #again: NodeJS.Timeout | undefined;

  constructor(root: string, instance: OwnInstance) {
    this.#root = root;
    this.#instance = instance;
  }

  /** Resolves when it is this caller's turn. Rejects with the signal's reason where that comes first. */
  async acquire(name: string, signal?: AbortSignal): Promise<QueueTicket> {
    signal?.throwIfAborted();
    const queue = join(this.#root, name);
    const { number, tickets } = this.#takeTicket(queue);
    const release = () => this.#withdraw(join(queue, String(number)));
    try {
      step("lock.ticket");
      await this.#awaitTurn(queue, number, tickets, signal);
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  /**
   * The ticket's number, and the queue as it was seen with the ticket in it. Synchronous, so that callers of one process are numbered in
   * the order of their calls.
   */
  #takeTicket(queue: string): { number: number; tickets: number[] } {
    // Most queues are empty: the first look is the one that is needed in any case.
    let number = this.#contended.has(queue) ? numberAfter(ticketsIn(queue)) : 1;
    for (;;) {
      const ticket = join(queue, String(number));
      if (this.#link(queue, ticket)) {
        const tickets = this.#lookFrom(queue, ticket);
        // A higher ticket means that the number was chosen from an old look at the queue: its owner may already be in.
        if (tickets.at(-1) === number) {
          if (tickets.length === 1) this.#contended.delete(queue);
          return { number, tickets };
        }
        this.#withdraw(ticket);
      }
      this.#contended.add(queue);
      number = numberAfter(ticketsIn(queue));
    }
  }

  /** The queue behind a ticket of ours. Where it cannot be seen, for want of descriptors, the ticket must not stay: nobody would release it. */
  #lookFrom(queue: string, ticket: string): number[] {
    try {
      return ticketsIn(queue);
    } catch (error) {
      this.#withdraw(ticket);
      throw error;
    }
  }

  /** False where there is such a ticket; else it is ours to withdraw. */
  #link(queue: string, ticket: string): boolean {
    for (;;) {
      try {
        linkSync(this.#instance.lockFile, ticket);
        this.#own.set(ticket, new Set());
        return true;
      } catch (error) {
        if (errnoOf(error) === "EEXIST") return false;
        if (errnoOf(error) !== "ENOENT") throw error;
        mkdirSync(queue, { recursive: true, mode: 0o700 });
      }
    }
  }

  #withdraw(ticket: string): void {
    const waiting = this.#own.get(ticket);
    if (waiting === undefined) return;
    this.#own.delete(ticket);
    this.#owed.add(ticket);
    this.#removeOwed();
    for (const wake of waiting) wake();
  }

  /** A disk that has become read-only, say, is no reason to wait for ourselves, nor to fail a run that is over. */
  #removeOwed(): void {
    clearTimeout(this.#again);
    for (const ticket of this.#owed) {
      try {
        removeIfPresent(ticket);
        step("lock.released");
        this.#owed.delete(ticket);
      } catch {
        // It stays among the owed.
      }
    }
    if (this.#owed.size > 0) this.#again = setTimeout(() => this.#removeOwed(), WITHDRAW_AGAIN_MS).unref();
  }

  /** No lock is held any more. */
  close(): void {
    this.#removeOwed();
    clearTimeout(this.#again);
  }

  async #awaitTurn(
    queue: string,
    number: number,
    seen: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (let tickets = seen; ; tickets = ticketsIn(queue)) {
      const ahead = tickets.filter((ticket) => ticket < number && !this.#owed.has(join(queue, String(ticket)))).at(-1);
      if (ahead === undefined) return;
      const ticket = join(queue, String(ahead));
      const waiters = this.#own.get(ticket);
      await (waiters === undefined ? this.#awaitForeign(queue, ticket, signal) : awaitOwn(waiters, signal));
      signal?.throwIfAborted();
    }
  }

  /** Until another process's ticket is gone; a dead process's is removed here. */
  async #awaitForeign(queue: string, ticket: string, signal: AbortSignal | undefined): Promise<void> {
    for (let look = 0; look < QUICK_LOOKS; look++) {
      if (!exists(ticket) || signal?.aborted) return;
      await sleep(1);
    }
    const settled = new AbortController();
    const settle = () => settled.abort();
    signal?.addEventListener("abort", settle, { once: true });
    if (signal?.aborted) settle();
    const watcher = watchQueue(queue, () => exists(ticket) || settle());
    try {
      // Looked at only now that the queue is watched: a removal before this line is seen here, a later one by the watch.
      if (!exists(ticket)) return;
      const free = await waitUnlocked(ticket, settled.signal);
      // Its number cannot have come to anybody else: while our higher ticket stands, nobody keeps a lower one that is new.
      if (free) removeIfPresent(ticket);
    } finally {
      watcher.close();
      signal?.removeEventListener("abort", settle);
    }
  }
}

const numberAfter = (tickets: readonly number[]): number => (tickets.at(-1) ?? 0) + 1;

/** Numbers of the tickets in a queue, ascending. */
function ticketsIn(queue: string): number[] {
  try {
    return readdirSync(queue)
      .filter((name) => TICKET.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

function awaitOwn(waiters: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      waiters.delete(wake);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    waiters.add(wake);
    signal?.addEventListener("abort", wake, { once: true });
    if (signal?.aborted) wake();
  });
}

function watchQueue(queue: string, look: () => void): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const poll = () => {
    timer ??= setInterval(look, LOOK_AGAIN_MS);
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(queue, look);
    watcher.on("error", poll);
  } catch {
    poll();
  }
  return {
    close() {
      watcher?.close();
      clearInterval(timer);
    },
  };
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
