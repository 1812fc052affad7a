// One value has one text, and the text is the value's.
import fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalJson } from "../../src/records/canonical-json.js";

it("writes any JSON value so that it reads back as the same, members sorted by UTF-16 units", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      // -0 has no spelling of its own in JSON.
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(JSON.parse(text, reversed))).toBe(text);
    }),
  );
});

it("sorts names as texts, also those that an object lists as numbers, and leaves out what is undefined", () => {
  expect(canonicalJson({ b: 1, 10: "x", 9: [undefined, null], é: 2, z: undefined, "": { b: -0, a: true } })).toBe(
    '{"":{"a":true,"b":0},"10":"x","9":[null,null],"b":1,"é":2}',
  );
});

it("writes more names than it keeps", () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`"${index}`, index]));
  expect(JSON.parse(canonicalJson(many))).toEqual(many);
});

/** The same members in the opposite order. */
function reversed(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).reverse());
}
