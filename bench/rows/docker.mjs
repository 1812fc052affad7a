// A run in a container that waits ready, beside `docker run` of the same image.
import { IMAGE, ms } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

const ARGS = ["run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-I", "-c", "print(1)"];

export default {
  title: "`docker run` of the same image, of a run with the container ready",
  backends: ["docker"],
  rounds: 20,
  async measure(context) {
    const { request, settled } = await context.runtime();
    const [docker, ready] = await takeTurns(
      [
        { name: "docker run", run: async () => void (await context.run("docker", ARGS)) },
        { name: "ready", run: () => request(context.change()), check: ({ sandbox }) => sandbox.warm },
      ],
      context.rounds,
      settled,
    );
    return {
      figures: [ratio("p50", docker.samples, ready.samples, { least: 30 })],
      detail: [
        `docker run p50 ${ms(docker.p50)}, p95 ${ms(docker.p95)}`,
        `ready p50 ${ms(ready.p50)}, p95 ${ms(ready.p95)}`,
      ],
    };
  },
};
