// What stands below a goal that is not reached: what the kernel and the interpreter alone take for it, as other figures of the same results have it.
import { isMet } from "./figures.mjs";

const BARE = "`python3 -I -c pass`";
const FILES = "the files of a run";
const FORKED = "both of them, forked before";
const BOTH = "first process and a program that prints";
/** What no command without an engine at hand can do without. */
export const STARTS_ONE = "p50 more of Node that starts an interpreter, which forks one that prints";
const CAT = "of `cat >/dev/null`";

const floor = (name) => ["floor", name];
const sum = (values) => values.reduce((total, value) => total + value, 0);
const once = (values) => 1 / sum(values);
const quotient = ([over, under]) => over / under;

/** Of a figure of a row, which figures its floor is made of, and how. */
const FLOORS = [
  { row: "warm/zygote", figure: "p50", of: [floor(`${FORKED}: wall p50`), floor(`${FILES}: wall p50`)], by: sum },
  { row: "cold/zygote", figure: "p50", of: [floor(`${BOTH}: wall p50`), floor(`${FILES}: wall p50`)], by: sum },
  {
    ...{ row: "cpu/zygote", figure: `of bare ${BARE}`, goalOf: "p50" },
    ...{ of: [floor(`${BOTH}: processor time`), floor(`${FILES}: processor time`)], by: sum },
  },
  {
    ...{ row: "sustained/zygote", figure: "runs/s" },
    ...{ of: [floor(`${BOTH}: processor time`), floor(`${FILES}: processor time`)], by: once },
  },
  {
    // The same processes and files, in a container: `docker run` is so many times the run, and that so many times a bare interpreter.
    ...{ row: "docker/docker", figure: "p50" },
    of: [
      ...[floor(`${FORKED}: wall p50`), floor(`${FILES}: wall p50`)],
      ...[
        ["docker/docker", "p50"],
        ["warm/docker", "p50"],
      ],
    ],
    by: ([forked, files, ofRun, ofBare]) => (ofRun * ofBare) / (forked + files),
  },
  { row: "cli/zygote", figure: "p50 more", of: [["cli/zygote", STARTS_ONE]], by: sum },
  {
    ...{ row: "output/zygote", figure: `100-byte print, ${CAT}` },
    of: [
      ["output/zygote", `100-byte print, ${CAT}`],
      ["output/zygote", "100-byte print, of line buffered into `cat >/dev/null`"],
    ],
    by: quotient,
  },
];

/** `{ row, figure, value, floor, goal }`: a goal that is said of another unit than its floor is left out. */
export function floorsOf(rows) {
  return FLOORS.flatMap(({ row, figure, goalOf = figure, of, by }) => {
    const [now, judged] = [figure, goalOf].map((name) => find(rows, row, name));
    const parts = of.map(([from, name]) => find(rows, from, name)?.value);
    if (now === undefined || judged === undefined || parts.includes(undefined) || isMet(judged) !== false) return [];
    return [{ row, figure, value: now.value, floor: by(parts), goal: judged === now ? now.goal : null }];
  });
}

const find = (rows, row, name) => rows[row]?.figures.find((figure) => figure.name === name);
