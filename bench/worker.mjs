// Measures one row on one backend in a process of its own, as what one row leaves in memory must not be another one's burden.
import { Context, Skip } from "./context.mjs";

const { row: name, backend, rounds, flags } = JSON.parse(process.argv[2]);
const { default: row } = await import(`./rows/${name}.mjs`);
const context = new Context({ backend, rounds: rounds ?? row.rounds, flags });
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => context.close().finally(() => process.exit(130)));

let answer;
try {
  answer = { found: await row.measure(context) };
} catch (error) {
  answer = error instanceof Skip ? { skipped: error.message } : { failed: error.stack };
} finally {
  await context.close();
}
process.send(answer, () => process.disconnect());
