// What the host's process keeps of runs that are over. Looked at after a full collection, when the first tenth has filled caches.
import { inParallel } from "../context.mjs";
import { plain } from "../figures.mjs";

const LOOKS = 10;
const MB = 1e6;

export default {
  title: "memory of the host process, growth over many runs",
  size: ["runs"],
  needsGc: true,
  async measure(context) {
    const { request, settled } = await context.runtime();
    const { runs } = context.flags;
    const looks = [];
    for (let look = 0; look < LOOKS; look += 1) {
      await inParallel(2, Math.ceil(runs / LOOKS), (worker) =>
        request({ userId: `user-${worker}`, ...context.change() }),
      );
      await settled();
      globalThis.gc();
      const { heapUsed, rss } = process.memoryUsage();
      looks.push({ heapUsed, rss });
    }
    const growth = (what) => (looks.at(-1)[what] - looks[0][what]) / MB;
    return {
      figures: [
        plain("heap", "MB", [growth("heapUsed")], { most: 2 }),
        plain("resident", "MB", [growth("rss")], { most: 16 }),
      ],
      detail: [
        `${runs} runs; resident ${looks.map(({ rss }) => (rss / MB).toFixed(0)).join(", ")} MB after each tenth`,
      ],
    };
  },
};
