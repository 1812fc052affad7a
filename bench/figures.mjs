// Figures with their uncertainty: what the same samples, drawn again and again with repetition, would have given in 95 of 100 cases (a bootstrap).
// A figure: { name, unit, value, low, high, samples, goal: { most } | { least } | null }.

const DRAWS = 400;

/** By nearest rank: the smallest sample that so many of all do not exceed. */
export const quantile = (sorted, share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];

/** A quantile of `samples` divided by one of `baseline`, its median where nothing else is said. */
export const ratio = (name, samples, baseline, goal = null, share = 0.5, baseShare = 0.5) =>
  drawn({ name, unit: "x", goal }, [samples, baseline], ([ours, theirs]) => {
    return quantile(ours, share) / quantile(theirs, baseShare);
  });

/** The median of `samples` less that of `baseline`. */
export const difference = (name, unit, samples, baseline, goal = null) =>
  drawn({ name, unit, goal }, [samples, baseline], ([ours, theirs]) => quantile(ours, 0.5) - quantile(theirs, 0.5));

/** A quantile of `samples` as it is. */
export const plain = (name, unit, samples, goal = null, share = 0.5) =>
  drawn({ name, unit, goal }, [samples], ([ours]) => quantile(ours, share));

function drawn(about, sets, figure) {
  const sorted = sets.map((set) => set.toSorted((a, b) => a - b));
  if (sorted.some((set) => set.length === 0)) throw new Error(`${about.name}: no samples`);
  const random = generator();
  const again = (set) => Array.from(set, () => set[Math.floor(random() * set.length)]).sort((a, b) => a - b);
  const draws = Array.from({ length: DRAWS }, () => figure(sorted.map(again))).sort((a, b) => a - b);
  const samples = Math.min(...sets.map((set) => set.length));
  return { ...about, value: figure(sorted), low: quantile(draws, 0.025), high: quantile(draws, 0.975), samples };
}

/** The same draws for the same samples. */
function generator() {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function isMet({ value, goal }) {
  if (goal === null) return null;
  return goal.most === undefined ? value >= goal.least : value <= goal.most;
}

/** Two runs of the same code on one machine differ by this much though each agrees with itself. */
const DRIFT = 0.1;

/** "better", "worse" or "same": beyond what both say of their own uncertainty, and beyond a tenth. */
export function moved(before, now) {
  const apart = now.low > before.high || now.high < before.low;
  const scale = Math.max(Math.abs(before.value), Math.abs(now.value));
  if (!apart || Math.abs(now.value - before.value) <= DRIFT * scale) return "same";
  const isMore = now.value > before.value;
  return isMore === (now.goal?.least !== undefined || now.unit === "MB/s") ? "better" : "worse";
}
