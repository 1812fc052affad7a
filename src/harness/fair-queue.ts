// Who is next where there are more runs than may be at work: users by turns, each user's in the order of asking, and of one workspace
// one at a time, since a second would only hold its place and wait for the first. It knows nothing of runs and of what they do.
import { IsoError } from "../model/errors.js";

export interface QueueLimits {
  /** Places: runs at work at once. */
  readonly atOnce: number;
  /** Of one user. */
  readonly perUser: number;
  /** Of one user while another one asks for runs, or did a moment ago. */
  readonly perUserBeside: number;
  /**
   * So long a run that is its user's only one is not joined by runs of users who have more than one, where `perUserBeside` are at work. Nobody
   * waits longer than this at a stretch for it, nor for more than half of the time. 0: never.
   */
  readonly undisturbedMs: number;
  /** Runs that wait for a place; more are refused. */
  readonly queued: number;
  readonly queuedPerUser: number;
  /** What those that wait may keep in memory. */
  readonly queuedBytes: number;
  readonly queuedBytesPerUser: number;
}

export interface Asked {
  readonly user: string;
  /** Of the user's: what only one may be at work on at once; null where there is no such thing. */
  readonly lane: string | null;
  /** Kept in memory while it waits. */
  readonly bytes: number;
}

/** A place, or one's stand in the line for it. */
export interface Place {
  /** Resolves when the place is had, true where it was waited for. Rejects with the signal's reason where that comes first, and the stand is given up. */
  turn(signal: AbortSignal): Promise<boolean>;
  /** Gives up whichever it is. Idempotent. */
  leave(): void;
}

export interface QueueCounts {
  readonly atWork: number;
  readonly queued: number;
  readonly queuedBytes: number;
  /** Users that have a run at work or waiting. */
  readonly users: number;
  /** Runs that were refused since the start. */
  readonly refused: number;
}

interface User {
  /** The first is served next. */
  readonly line: Stand[];
  readonly lanes: Set<string>;
  atWork: number;
  queuedBytes: number;
  /** Since when it waits for another user's only run; null where it does not. */
  heldBackAt: number | null;
  /** Until then it does not wait for one again. */
  freeUntil: number;
}

const SHORTEST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** How much the last run counts for how long runs take. */
const NEWEST_COUNTS = 0.1;
/** So long after a user asked others leave room for what it asks next. */
const ASKING_MS = 5_000;

export class FairQueue {
  readonly limits: QueueLimits;
  readonly #now: () => number;
  /** Those that have a run; whose turn is next stands first. */
  readonly #users = new Map<string, User>();
  #atWork = 0;
  #queued = 0;
  #queuedBytes = 0;
  #refused = 0;
  /** How long a place is held, about. */
  #heldMs = 0;
  /** The user that asked last, and the last one that is another. */
  #asking: { name: string; at: number }[] = [];
  #look: { at: number; timer: NodeJS.Timeout } | null = null;
  /** Of the last run that was its user's only one when it began. */
  #only: { user: User; at: number } | null = null;

  constructor(limits: QueueLimits, now: () => number = () => performance.now()) {
    this.limits = limits;
    this.#now = now;
  }

  /** A place where one is free, else a stand in the line. Throws `too_busy` where the line is full. */
  enter(asked: Asked): Place {
    const user = this.#users.get(asked.user) ?? newUser();
    this.#noteAsking(asked.user);
    // Time alone may have made room for somebody who waits. After this nobody waits who could have the free place.
    this.#next();
    const couldNow = this.#atWork < this.limits.atOnce && this.#mayHavePlace(asked.user, user, asked.lane);
    const full = this.#whyFull(user, asked);
    // Nobody is refused for the sake of another one.
    const isNow = couldNow && (full !== null || !this.#isHeldBack(user, user.line.length + 1));
    if (!isNow && full !== null) this.#refuse(full.message, full.atWork);
    this.#users.set(asked.user, user);
    const stand = new Stand(asked, (left) => this.#left(user, left));
    if (isNow) {
      this.#serve(user, stand);
    } else {
      user.line.push(stand);
      this.#wait(user, stand, 1);
      this.#lookIn(ASKING_MS);
    }
    return stand;
  }

  counts(): QueueCounts {
    return {
      ...{ atWork: this.#atWork, queued: this.#queued, queuedBytes: this.#queuedBytes },
      ...{ users: this.#users.size, refused: this.#refused },
    };
  }

  of(name: string): { atWork: number; queued: number } {
    const user = this.#users.get(name);
    return { atWork: user?.atWork ?? 0, queued: user?.line.length ?? 0 };
  }

  /** Nobody comes to say that time alone made room: that a user has not asked for long, or that a run is undisturbed no more. */
  #lookIn(ms: number): void {
    const at = this.#now() + ms;
    if (this.#look !== null && this.#look.at <= at) return;
    clearTimeout(this.#look?.timer);
    const timer = setTimeout(() => {
      this.#look = null;
      this.#next();
      if (this.#queued > 0) this.#lookIn(ASKING_MS);
    }, ms);
    this.#look = { at, timer: timer.unref() };
  }

  /** `waiting` of the user's runs wait, of which one could have a place. */
  #isHeldBack(user: User, waiting: number): boolean {
    const { undisturbedMs, perUserBeside } = this.limits;
    const now = this.#now();
    const only = this.#only;
    const isAlone = only !== null && only.user !== user && only.user.atWork === 1 && only.user.line.length === 0;
    const leftMs = isAlone ? only.at + undisturbedMs - now : 0;
    const isFew = user.atWork + waiting < 2 || this.#atWork < perUserBeside;
    if (leftMs <= 0 || isFew || now < user.freeUntil) return false;
    const mayMs = undisturbedMs - (now - (user.heldBackAt ?? now));
    if (mayMs <= 0) return false;
    user.heldBackAt ??= now;
    this.#lookIn(Math.min(leftMs, mayMs));
    return true;
  }

  #mayHavePlace(name: string, { atWork, lanes }: User, lane: string | null): boolean {
    const { perUser, perUserBeside } = this.limits;
    const most = this.#isAlone(name) ? perUser : perUserBeside;
    return atWork < most && (lane === null || !lanes.has(lane));
  }

  #noteAsking(name: string): void {
    const others = this.#asking.filter((user) => user.name !== name);
    this.#asking = [{ name, at: this.#now() }, ...others.slice(0, 1)];
  }

  /** True where nobody else has a run, nor asked for one lately. */
  #isAlone(name: string): boolean {
    const isAnother = this.#users.size > (this.#users.has(name) ? 1 : 0);
    const other = this.#asking.find((user) => user.name !== name);
    return !isAnother && (other === undefined || this.#now() - other.at > ASKING_MS);
  }

  /** Why no more may wait, and how many have to end for that; null where there is room. */
  #whyFull({ line, queuedBytes, atWork }: User, { bytes }: Asked): { message: string; atWork: number } | null {
    const { queuedPerUser, queuedBytesPerUser, queued, queuedBytes: allBytes } = this.limits;
    if (line.length >= queuedPerUser || queuedBytes + bytes > queuedBytesPerUser) {
      return { message: `${line.length} runs of this user wait already, as many as may.`, atWork };
    }
    if (this.#queued >= queued || this.#queuedBytes + bytes > allBytes) {
      return { message: `${this.#queued} runs wait already, as many as may.`, atWork: this.#atWork };
    }
    return null;
  }

  /** When one of so many at work has ended, the next one of the line begins and there is room in it again. */
  #refuse(message: string, atWork: number): never {
    this.#refused += 1;
    const waitMs = this.#heldMs / Math.max(1, atWork);
    const retryAfterMs = Math.min(Math.max(waitMs, SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
    throw new IsoError("too_busy", message, { retryAfterMs });
  }

  #next(): void {
    while (this.#atWork < this.limits.atOnce) {
      const found = this.#first();
      if (found === null) return;
      const { user, at } = found;
      const [stand] = user.line.splice(at, 1);
      if (stand === undefined) return;
      this.#wait(user, stand, -1);
      this.#serve(user, stand);
    }
  }

  #first(): { user: User; at: number } | null {
    for (const [name, user] of this.#users) {
      const at = user.line.findIndex(({ asked }) => this.#mayHavePlace(name, user, asked.lane));
      if (at >= 0 && !this.#isHeldBack(user, user.line.length)) return { user, at };
    }
    return null;
  }

  #serve(user: User, stand: Stand): void {
    this.#atWork += 1;
    user.atWork += 1;
    if (stand.asked.lane !== null) user.lanes.add(stand.asked.lane);
    // Behind the others.
    this.#users.delete(stand.asked.user);
    this.#users.set(stand.asked.user, user);
    const now = this.#now();
    if (user.heldBackAt !== null) user.freeUntil = now + (now - user.heldBackAt);
    user.heldBackAt = null;
    if (user.atWork === 1 && user.line.length === 0) this.#only = { user, at: now };
    stand.serve(now);
  }

  #wait(user: User, { asked }: Stand, count: 1 | -1): void {
    this.#queued += count;
    this.#queuedBytes += count * asked.bytes;
    user.queuedBytes += count * asked.bytes;
  }

  #left(user: User, stand: Stand): void {
    const { asked, servedAt } = stand;
    if (servedAt === null) {
      user.line.splice(user.line.indexOf(stand), 1);
      this.#wait(user, stand, -1);
    } else {
      this.#atWork -= 1;
      user.atWork -= 1;
      if (asked.lane !== null) user.lanes.delete(asked.lane);
      const heldMs = this.#now() - servedAt;
      this.#heldMs = this.#heldMs === 0 ? heldMs : this.#heldMs + (heldMs - this.#heldMs) * NEWEST_COUNTS;
    }
    if (user.line.length === 0) user.heldBackAt = null;
    if (user.atWork === 0 && user.line.length === 0) this.#users.delete(asked.user);
    this.#next();
  }
}

const newUser = (): User => ({ line: [], lanes: new Set(), atWork: 0, queuedBytes: 0, heldBackAt: null, freeUntil: 0 });

class Stand implements Place {
  readonly asked: Asked;
  readonly #onLeft: (stand: Stand) => void;
  servedAt: number | null = null;
  #isLeft = false;
  #onServed: (() => void) | null = null;

  constructor(asked: Asked, onLeft: (stand: Stand) => void) {
    this.asked = asked;
    this.#onLeft = onLeft;
  }

  serve(at: number): void {
    this.servedAt = at;
    this.#onServed?.();
  }

  async turn(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.servedAt !== null) return false;
    if (this.#isLeft) throw new IsoError("cancelled", "The place in the line was given up.");
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onServed = resolve;
        abort = () => reject(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
      });
    } catch (error) {
      this.leave();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return true;
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#onLeft(this);
  }
}
