// What was accepted: one file for each class of machine in bench/results/, the pages that are written from it, and what moved since.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { fileURLToPath } from "node:url";
import { isMet, moved } from "./figures.mjs";
import { floorsOf } from "./floors.mjs";

const RESULTS = fileURLToPath(new URL("results/", import.meta.url));
const PAGES = { "docs/performance.md": renderAll, "docs/versions.md": renderVersions };
const BEGIN = (name) => `<!-- ${name}: written by \`npm run bench -- --write\` -->`;
const END = (name) => `<!-- /${name} -->`;
const BLOCK = "bench";

/** Figures of machines of another class compare badly. */
export const machineClass = () => `${process.platform}-${process.arch}-${availableParallelism()}cpu`;

export function describeMachine(python) {
  return {
    ...{ cpu: cpus()[0]?.model.trim() ?? "unknown", kernel: release(), node: process.version },
    python: execFileSync(python, ["--version"], { encoding: "utf8" }).trim(),
    load: Number(loadavg()[0].toFixed(2)),
  };
}

/** By class of machine: { "<row>/<backend>": { title, size, rounds, machine, figures, detail } }. */
export function readResults() {
  const names = existsSync(RESULTS) ? readdirSync(RESULTS).filter((name) => name.endsWith(".json")) : [];
  const read = (name) => JSON.parse(readFileSync(`${RESULTS}${name}`, "utf8"));
  return Object.fromEntries(names.sort().map((name) => [name.slice(0, -".json".length), read(name)]));
}

/** Rows that were not measured now stay as they were. */
export function writeResults(rows) {
  const name = machineClass();
  const all = { ...readResults()[name], ...rows };
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(`${RESULTS}${name}.json`, `${JSON.stringify(sorted, sixDigits, 2)}\n`);
}

const sixDigits = (_, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);

/** Writes the blocks of all pages from what is stored. */
export function writePages() {
  for (const [path, text] of Object.entries(pages())) writeFileSync(path, text);
}

/** What each page must hold, by its path. */
export function pages() {
  const results = readResults();
  return Object.fromEntries(
    Object.entries(PAGES).map(([path, render]) => [path, withBlock(readFileSync(path, "utf8"), render(results))]),
  );
}

export function withBlock(page, block, name = BLOCK) {
  const [from, to] = [page.indexOf(BEGIN(name)), page.indexOf(END(name))];
  if (from < 0 || to < from) throw new Error(`There is no block between "${BEGIN(name)}" and "${END(name)}".`);
  return `${page.slice(0, from)}${BEGIN(name)}\n${block}\n${page.slice(to)}`;
}

export function renderAll(results) {
  const machines = Object.entries(results).map(([name, rows]) => renderMachine(name, rows));
  return machines.length === 0 ? "Nothing has been accepted yet." : machines.join("\n\n");
}

function renderMachine(name, rows) {
  const lines = Object.entries(rows).flatMap(([key, row]) =>
    row.figures.map((figure) => {
      const [low, high] = [figure.low, figure.high].map((value) => number(value));
      const range = low === high ? "" : `${low} – ${high}`;
      const reached = { true: "yes", false: "**no**", null: "" }[String(isMet(figure))];
      const cells = [`\`${key}\``, `${row.title}: ${figure.name}`, value(figure), range, goalOf(figure), reached];
      return `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");
    }),
  );
  const details = Object.entries(rows).map(
    ([key, { detail, machine, rounds }]) =>
      `- \`${key}\` (load ${machine.load}${rounds === null ? "" : `, ${rounds} rounds`}): ${detail.join("; ")}`,
  );
  return [
    `**${name}** (${machinesOf(rows)})`,
    "",
    "| row | what | figure | 95 % of draws | goal | reached |\n| --- | --- | ---: | ---: | ---: | --- |",
    ...lines,
    ...renderFloors(rows),
    "",
    "What stood behind them, at that minute and under that load:",
    "",
    ...details,
  ].join("\n");
}

function renderFloors(rows) {
  const floors = floorsOf(rows);
  if (floors.length === 0) return [];
  const lines = floors.map(({ row, figure, value: now, floor, goal }) => {
    const wanted = goal === null ? "" : number(goal.most ?? goal.least);
    const apart = Math.max(now / floor, floor / now);
    return `| ${[`\`${row}\``, figure, wanted, number(floor), number(now), number(apart)].join(" | ")} |`.replaceAll(
      "|  |",
      "| |",
    );
  });
  return [
    "",
    "Where a goal is not reached, what the kernel and the interpreter alone leave to be reached, and how many times as much a run takes:",
    "",
    "| row | figure | goal | floor | now | apart |\n| --- | --- | ---: | ---: | ---: | ---: |",
    ...lines,
  ];
}

function machinesOf(rows) {
  const say = ({ machine: { cpu, kernel, node, python } }) => `${cpu}, Linux ${kernel}, Node ${node}, ${python}`;
  return [...new Set(Object.values(rows).map(say))].join("; ");
}

function renderVersions(results) {
  const found = Object.entries(results).flatMap(([name, rows]) => (rows.versions ? [[name, rows.versions]] : []));
  const lines = found.map(
    ([name, { figures }]) => `${name}: ${figures.map((each) => `${each.name} ${value(each)}`).join(", ")}.`,
  );
  return lines.length === 0 ? "Nothing has been accepted yet." : lines.join("\n");
}

/** What is printed of one row: its figures, their goals, and how each compares with the accepted one. */
export function report(key, row, accepted) {
  const lines = row.figures.map((figure) => {
    const before = acceptedOf(figure, row, accepted);
    const mark = { true: "✓", false: "✗", null: " " }[String(isMet(figure))];
    const goal = figure.goal === null ? "" : `, goal ${goalOf(figure)}`;
    const since = before === undefined ? "" : `, accepted ${value(before)}${saidOf(moved(before, figure))}`;
    return `  ${mark} ${figure.name}: ${value(figure)} (${number(figure.low)} – ${number(figure.high)}${goal}${since})`;
  });
  return [`${key}: ${row.title}`, ...lines, ...row.detail.map((line) => `      ${line}`)].join("\n");
}

/** The same figure as it was accepted; of a measurement of another size there is none. */
function acceptedOf(figure, row, accepted) {
  if (accepted === undefined || JSON.stringify(accepted.size) !== JSON.stringify(row.size)) return undefined;
  return accepted.figures.find(({ name, unit }) => name === figure.name && unit === figure.unit);
}

const saidOf = (change) => (change === "same" ? "" : `: ${change.toUpperCase()}`);

/** Names of what got worse beyond noise, and of what its row calls a promise and did not keep. */
export function complaints(key, row, accepted) {
  return row.figures.flatMap((figure) => {
    const before = acceptedOf(figure, row, accepted);
    if (before !== undefined && moved(before, figure) === "worse")
      return [`${key}, ${figure.name}: worse than what was accepted`];
    // A promise is broken where even the low end of the range breaks it.
    const isBroken = figure.promised && figure.low > figure.goal.most;
    return isBroken ? [`${key}, ${figure.name}: more than is promised`] : [];
  });
}

const goalOf = ({ goal, unit }) =>
  goal === null ? "" : goal.most === undefined ? `≥ ${number(goal.least)} ${unit}` : `≤ ${number(goal.most)} ${unit}`;
const value = (figure) => `${number(figure.value)} ${figure.unit}`;

function number(amount) {
  const size = Math.abs(amount);
  return size >= 100
    ? amount.toFixed(0)
    : size >= 10
      ? amount.toFixed(1)
      : size >= 0.1 || size === 0
        ? amount.toFixed(2)
        : amount.toFixed(4);
}
