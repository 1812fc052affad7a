import { describe, expect, it } from "vitest";
import { isColourful, styleFor } from "../../src/cli/report/style.js";

const terminal = { isTTY: true };
const pipe = {};

describe("colour", () => {
  it.each<[string, { isTTY?: boolean }, boolean, Record<string, string>, boolean]>([
    ["on a terminal", terminal, true, {}, true],
    ["not on a pipe", pipe, true, {}, false],
    ["not on a pipe of a CI", pipe, true, { CI: "1" }, false],
    ["not with NO_COLOR", terminal, true, { NO_COLOR: "1" }, false],
    ["with an empty NO_COLOR, which says nothing", terminal, true, { NO_COLOR: "" }, true],
    ["not with --no-color", terminal, false, {}, false],
    ["not on a dumb terminal", terminal, true, { TERM: "dumb" }, false],
    ["on a pipe that a picture is made of", pipe, true, { FORCE_COLOR: "1" }, true],
    ["not where both are said", pipe, true, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
  ])("is %s", (_name, stream, wanted, env, colourful) => {
    expect(isColourful(stream, wanted, env)).toBe(colourful);
    expect(styleFor(stream, wanted, env).red("x") !== "x").toBe(colourful);
  });
});
