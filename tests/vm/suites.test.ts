// The tests of the bubblewrap backend and the end-to-end tests, hostile ones among them, run whole in the guest: on version 2 of
// control groups, as root and as an ordinary user with a delegated group. It takes long, so it is for `npm run test:vm`.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { count } from "../support/soak.js";
import { Guest } from "./guest.js";
import { whyNoGuest } from "./image.js";
import { DELEGATED } from "./product.js";

const HOUR_S = 3600;
/** The project is read-only there, and all is some ten times slower. */
const VITEST =
  "node node_modules/vitest/vitest.mjs run --configLoader runner --testTimeout 900000 --hookTimeout 900000";
const SUITES = ["--project unit tests/sandbox/bubblewrap", "--project e2e"];
const isFull = count(0, 1) === 1;

describe.skipIf(!isFull || whyNoGuest() !== null)("in the guest", { timeout: 3 * HOUR_S * 1000 }, () => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await Guest.boot();
  }, 900_000);
  afterAll(() => guest?.stop());

  const accounts = [
    { user: "root", by: "" },
    { user: "tester", by: DELEGATED },
  ] as const;
  it.each(accounts.flatMap((account) => SUITES.map((suite) => ({ ...account, suite }))))(
    "$user passes $suite",
    async ({ user, by, suite }) => {
      const { status, stdout, stderr } = await guest.run(
        `cd /project && ISO_RUNTIME_TEST_NO_DOCKER=1 ${by} ${VITEST} ${suite}`,
        { user, timeoutS: 2 * HOUR_S },
      );
      console.log(stdout.split("\n").slice(-6).join("\n"));
      expect(status, `${stdout.slice(-20_000)}\n${stderr.slice(-5_000)}`).toBe(0);
    },
  );
});
