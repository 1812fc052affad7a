// What makes an image unfit, where no engine is needed to know.
import { expect, it } from "vitest";
import { refuseOldPython } from "../../../src/sandbox/docker/image.js";
import { explain } from "../../../src/sandbox/docker/refusal.js";

it.each(["3.9.2", "3.14.0rc1", "4.0"])("Python %s will do", (version) => {
  expect(() => refuseOldPython(version, "some:image")).not.toThrow();
});

it.each(["3.8.19", "2.7.18", "3"])("Python %s is too old, and the image is named", (version) => {
  expect(() => refuseOldPython(version, "some:image")).toThrow(`"some:image" has Python ${version}; 3.9`);
});

it("an engine without space on its disk is told by what it answered", () => {
  const refused = Object.assign(new Error("(HTTP code 500) server error - write /x: no space left on device"), {
    statusCode: 500,
  });
  expect(explain(refused, null).fix).toContain("docker system df");
});

it("an image for another processor is told by what its first process said", () => {
  const said = ["exec /usr/bin/python3: exec format error"];
  expect(explain(new Error("the runner ended before its hello"), null, said).fix).toContain(
    "another kind of processor",
  );
});
