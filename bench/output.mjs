// How fast a gigabyte of output passes: the same programs in a sandbox, and bare into `cat >/dev/null`, in turns in one process. Prints the
// quickest and the middle run of each side, their ratios, and by how much the host process grew at most meanwhile.
// Arguments: rounds, backend, MiB of output.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime } from "../dist/index.js";

const ROUNDS = Number(process.argv[2] ?? 3);
const BACKEND = process.argv[3] ?? "bubblewrap";
const MIB = Number(process.argv[4] ?? 1024);
const BYTES = MIB * 1024 * 1024;
const PYTHON = "/usr/bin/python3";
const BLOCKS = `import os\nblock = b"x" * 65535 + b"\\n"\nfor _ in range(${BYTES >> 16}): os.write(1, block)\n`;
const LINES = `line = "x" * 99\nfor _ in range(${Math.floor(BYTES / 100)}): print(line)\n`;
const LINE_BUFFERED = "import sys\nsys.stdout.reconfigure(line_buffering=True)\n";
const SIDES = [
  { name: "64 KiB blocks, bare into cat", cat: BLOCKS },
  { name: "64 KiB blocks, library", code: BLOCKS, than: 0 },
  { name: "64 KiB blocks, library, live events read", code: BLOCKS, than: 0, live: true },
  { name: "100-byte prints, bare into cat", cat: LINES },
  { name: "100-byte prints, line buffered, bare into cat", cat: LINE_BUFFERED + LINES },
  { name: "100-byte prints, library", code: LINES, than: 3 },
];
const chosen =
  process.argv[5] === undefined ? SIDES : SIDES.filter(({ name }) => new RegExp(process.argv[5]).test(name));

const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));
const status = (key) =>
  Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;

function bare(code) {
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", `${PYTHON} -I -c "$CODE" | cat >/dev/null`], {
      env: { CODE: code, PATH: "/usr/bin:/bin" },
      stdio: "inherit",
    });
    child.once("error", reject).once("exit", (exit) => (exit === 0 ? resolve() : reject(new Error(`exit ${exit}`))));
  });
}

async function library(runtime, { code, live }) {
  const request = { userId: "bench", code, timeoutMs: 600_000 };
  let result;
  if (live) {
    let [events, chars] = [0, 0];
    for await (const event of runtime.stream(request)) {
      if (event.type === "output") [events, chars] = [events + 1, chars + event.text.length];
      if (event.type === "run.finished") result = event.result;
    }
    console.log(`  ${events} events of output with ${chars} characters`);
  } else result = await runtime.run(request);
  if (!result.ok || (result.usage?.outputBytes ?? 0) < BYTES * 0.99)
    throw new Error(JSON.stringify([result.error, result.usage]));
}

async function measured(runtime, side) {
  globalThis.gc?.();
  // Makes the kernel forget the peak so far.
  writeFileSync("/proc/self/clear_refs", "5");
  const before = status("VmRSS");
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  if (side.cat) await bare(side.cat);
  else await library(runtime, side);
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ms, grown: status("VmHWM") - before, cpuMs: (user + system) / 1000 };
}

const runtime = await createRuntime({
  backend: BACKEND,
  workspaceRoot: join(roots, "w"),
  sandboxRoot: join(roots, "s"),
  python: BACKEND === "docker" ? undefined : PYTHON,
  warm: 1,
});
try {
  await runtime.run({ userId: "bench", code: "print(1)" });
  const seen = new Map(chosen.map((side) => [side, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const side of chosen) {
      await runtime.warm();
      seen.get(side).push(await measured(runtime, side));
    }
  }
  console.log(`\n${BACKEND}, ${MIB} MiB, ${ROUNDS} rounds\n`);
  console.log(
    "| MB/s, best | middle | of bare | host grew, MiB | host processor, ms | what |\n| ---: | ---: | ---: | ---: | ---: | --- |",
  );
  const sorted = (side) =>
    seen
      .get(side)
      .map(({ ms }) => ms)
      .sort((a, b) => a - b);
  const middle = (list) => list[list.length >> 1];
  for (const side of chosen) {
    const times = sorted(side);
    const base = SIDES[side.than];
    const ratio = base && seen.has(base) ? `${(middle(sorted(base)) / middle(times)).toFixed(2)} x` : "";
    const most = Math.max(...seen.get(side).map(({ grown }) => grown));
    const cpu = Math.min(...seen.get(side).map(({ cpuMs }) => cpuMs));
    const speed = (ms) => (BYTES / 1000 / ms).toFixed(0);
    console.log(
      `| ${[speed(times[0]), speed(middle(times)), ratio, side.code ? most.toFixed(0) : "", cpu.toFixed(0), side.name].join(" | ")} |`,
    );
  }
} finally {
  await runtime.close();
  rmSync(roots, { recursive: true, force: true });
}
