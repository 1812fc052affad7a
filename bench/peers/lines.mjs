// A process that is kept: one line of JSON in for each run, one out.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** `{ run(code), close() }` over a program that first writes a line when it is ready, and answers `{ stdout }` or `{ error }`. */
export async function keptProcess(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = (said + text).slice(-2000);
  });
  child.stdin.on("error", () => {});
  const gone = new Promise((resolve) => child.once("close", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`it ended: ${said.trim().split("\n").slice(-2).join(" ")}`);
    return JSON.parse(value);
  };
  const close = async () => {
    child.stdin.end();
    await gone;
  };
  const first = await answer();
  if (first.error !== undefined) {
    await close();
    throw new Error(first.error);
  }
  return {
    async run(code) {
      child.stdin.write(`${JSON.stringify(code)}\n`);
      const { stdout, error } = await answer();
      if (error !== undefined) throw new Error(error);
      return stdout;
    },
    close,
  };
}
