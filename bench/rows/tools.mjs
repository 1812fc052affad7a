// A tool call from the snippet and back, timed in the snippet; beside a line to a bare Python and back, timed by the host.
import { createInterface } from "node:readline";
import { z } from "zod";
import { defineTool } from "../../dist/index.js";
import { plain, ratio } from "../figures.mjs";

const CALLS = 400;
const SNIPPET = `
import json, time
times = []
for number in range(${CALLS + 50}):
    begun = time.perf_counter()
    await bench.echo(value=number)
    if number >= 50:
        times.append((time.perf_counter() - begun) * 1000)
print(json.dumps(times))
`;
const ECHO = "import sys\nfor line in sys.stdin:\n    sys.stdout.write(line)\n    sys.stdout.flush()";
const LINE = `${JSON.stringify({ tool: "bench.echo", params: { value: 1 }, id: "x".repeat(40) })}\n`;

export default {
  title: "tool call round trip, from the snippet",
  rounds: 5,
  async measure(context) {
    const echo = defineTool({
      ...{
        name: "echo",
        description: "Gives back.",
        params: z.object({ value: z.number() }),
        handler: ({ value }) => value,
      },
    });
    const { request, settled } = await context.runtime({ tools: { tools: [{ alias: "bench", module: [echo] }] } });
    const [calls, lines] = [[], []];
    for (let round = 0; round < context.rounds; round += 1) {
      await settled();
      const { output } = await request({ code: SNIPPET });
      calls.push(...JSON.parse(output.stdout.text));
      lines.push(...(await floor(context)));
    }
    return {
      figures: [
        plain("p50", "ms", calls, { most: 0.3 }),
        plain("p95", "ms", calls, null, 0.95),
        ratio("p50 of a line to a bare Python and back", calls, lines),
      ],
      detail: [`${CALLS} calls one after another in each of ${context.rounds} runs`],
    };
  },
};

async function floor(context) {
  const child = context.spawn(context.python, ["-I", "-c", ECHO], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const times = [];
  for (let number = 0; number < CALLS + 50; number += 1) {
    const startedAt = performance.now();
    child.stdin.write(LINE);
    await answers.next();
    if (number >= 50) times.push(performance.now() - startedAt);
  }
  child.stdin.end();
  return times;
}
