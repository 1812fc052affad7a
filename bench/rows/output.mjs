// A gibibyte of output, in large writes and in short lines, beside the same program into `cat >/dev/null`; and what the host's memory grows by.
// Short lines beside a bare interpreter that writes each line by itself, too: a printed line survives any kill, which no block in its memory does.
import { plain, ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

const MB = 1e6;
const LOOK_MS = 10;
const LINE_BUFFERED = "import sys\nsys.stdout.reconfigure(line_buffering=True)\n";
const programs = (bytes) => ({
  "64 KiB os.write": `import os\nblock = b"x" * 65535 + b"\\n"\nfor _ in range(${Math.ceil(bytes / 65536)}): os.write(1, block)`,
  "100-byte print": `line = "x" * 99\nfor _ in range(${Math.ceil(bytes / 100)}): print(line)`,
});

export default {
  title: "output of a program",
  rounds: 3,
  size: ["outputMib"],
  async measure(context) {
    const bytes = context.flags.outputMib * 2 ** 20;
    const { request, settled } = await context.runtime();
    const grown = [];
    const library = (code) => async () => {
      const before = process.memoryUsage.rss();
      let most = before;
      const looking = setInterval(() => {
        most = Math.max(most, process.memoryUsage.rss());
      }, LOOK_MS);
      const startedAt = performance.now();
      await request({ code, timeoutMs: 600_000 });
      const seconds = (performance.now() - startedAt) / 1000;
      clearInterval(looking);
      grown.push((Math.max(most, process.memoryUsage.rss()) - before) / MB);
      return bytes / MB / seconds;
    };
    const cat = (code) => async () => {
      const startedAt = performance.now();
      await context.run("/bin/sh", ["-c", '"$0" -I -c "$1" | cat >/dev/null', context.python, code], {
        timeout: 600_000,
      });
      return bytes / MB / ((performance.now() - startedAt) / 1000);
    };
    const named = Object.entries(programs(bytes));
    const sides = named.flatMap(([name, code]) => [
      { name: `${name}, library`, run: library(code) },
      { name: `${name}, cat`, run: cat(code) },
    ]);
    const [, [, print]] = named;
    sides.push({ name: "100-byte print, line buffered, cat", run: cat(LINE_BUFFERED + print) });
    const found = await takeTurns(sides, context.rounds, settled, 1);
    const goals = [
      [{ least: 600 }, null],
      [null, { least: 0.8 }],
    ];
    const figures = named.flatMap(([name], index) => {
      const [ours, theirs] = [found[2 * index].samples, found[2 * index + 1].samples];
      const [rate, share] = goals[index];
      return [plain(name, "MB/s", ours, rate), ratio(`${name}, of \`cat >/dev/null\``, ours, theirs, share)];
    });
    const rates = found.map(({ name, p50 }) => `${name} ${p50.toFixed(0)} MB/s`);
    return {
      figures: [
        ...figures,
        ratio("100-byte print, of line buffered into `cat >/dev/null`", found[2].samples, found[4].samples),
        plain("host memory growth, the most", "MB", grown, { most: 32 }, 1),
      ],
      detail: [`${context.flags.outputMib} MiB each`, ...rates],
    };
  },
};
