import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiKeys, type KeyWish } from "../../src/records/api-keys.js";
import { tempDir } from "../support/temp.js";

const WISH: KeyWish = { user: "alice", readOnly: false, label: "a laptop", expiresAt: null };

function keys() {
  const state = tempDir();
  const clock = { now: Date.parse("2030-01-01T00:00:00Z") };
  const dir = join(state, "keys", "api");
  return { state, dir, clock, keys: new ApiKeys(state, () => clock.now) };
}

describe("a key", () => {
  it("is known by its whole text alone, and on disk by a digest that nobody else may read", () => {
    const { state, dir, keys: own } = keys();
    const { key, made } = own.create(WISH);
    expect(key).toMatch(/^iso_[0-9a-z]{12}_[0-9a-z]{50}$/);
    expect(key.split("_")[1]).toBe(made.id);
    const file = join(dir, `${made.id}.json`);
    expect(statSync(file).mode & 0o7777).toBe(0o600);
    for (const folder of [dir, join(state, "keys")]) expect(statSync(folder).mode & 0o7777).toBe(0o700);
    expect(readdirSync(dir)).toEqual([`${made.id}.json`]);
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain(key.split("_")[2]);
    expect(own.find(key)).toMatchObject({ id: made.id, user: "alice", label: "a laptop", readOnly: false });
    const digest = JSON.parse(text).digest;
    for (const wrong of [
      `${key}0`,
      key.slice(0, -1),
      key.toUpperCase(),
      made.id,
      digest,
      `iso_${made.id}_${digest}`,
      "",
    ]) {
      expect(own.find(wrong), wrong).toBeNull();
    }
    expect(JSON.stringify(own.list())).not.toContain(digest);
  });

  it("has another secret each time, of 256 bits", () => {
    const { keys: own } = keys();
    const secrets = Array.from({ length: 50 }, () => own.create(WISH).key.split("_")[2] ?? "");
    expect(new Set(secrets).size).toBe(50);
    const mean = secrets.reduce((sum, secret) => sum + Number.parseInt(secret.slice(1, 9), 36), 0) / 50 / 36 ** 8;
    expect(mean).toBeGreaterThan(0.3);
    expect(mean).toBeLessThan(0.7);
  });

  it("with one letter changed is nobody's, wherever it is", () => {
    const { keys: own } = keys();
    const { key } = own.create(WISH);
    own.create({ ...WISH, user: "bob" });
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.constantFrom(..."09az_/.\u0000 "), (at, letter) => {
        const other = key.slice(0, at) + letter + key.slice(at + 1);
        expect(own.find(other) === null).toBe(other !== key);
      }),
    );
  });

  it("never leads out of the keys' folder", () => {
    const { state, keys: own } = keys();
    const { key, made } = own.create(WISH);
    writeFileSync(join(state, "keys", "outside.json"), readFileSync(join(state, "keys/api", `${made.id}.json`)));
    for (const id of ["../outside", "..", "", "a/b", `../api/${made.id}`, "outside\u0000"]) {
      expect(own.find(`iso_${id}_${key.split("_")[2]}`)).toBeNull();
      expect(own.revoke(id)).toBe(false);
    }
    expect(own.find(key)).not.toBeNull();
  });

  it("comes and goes under the eyes of whoever asks, whichever process made or revoked it", () => {
    const { state, keys: service } = keys();
    const operator = new ApiKeys(state);
    expect(service.any).toBe(false);
    const { key, made } = operator.create(WISH);
    expect(service.find(key)).not.toBeNull();
    expect(service.any).toBe(true);
    expect(operator.revoke(made.id)).toBe(true);
    expect(operator.revoke(made.id)).toBe(false);
    expect(service.find(key)).toBeNull();
    expect(service.list()).toEqual([]);
  });

  it("may expire, and none that has expired counts", () => {
    const { clock, keys: own } = keys();
    const { key } = own.create({ ...WISH, expiresAt: "2030-01-02T00:00:00.000Z" });
    expect(own.find(key)).not.toBeNull();
    clock.now = Date.parse("2030-01-01T23:59:59.999Z");
    expect(own.any).toBe(true);
    clock.now += 1;
    expect(own.find(key)).toBeNull();
    expect(own.any).toBe(false);
    expect(own.list()).toHaveLength(1);
  });

  it("says when it was used, to a minute, and writes no more often", () => {
    const { dir, clock, keys: own } = keys();
    const { key, made } = own.create(WISH);
    const lastUsed = () => own.list()[0]?.lastUsedAt;
    const ctime = () => statSync(join(dir, `${made.id}.json`), { bigint: true }).ctimeNs;
    expect(lastUsed()).toBeNull();
    own.find(`${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`);
    expect(lastUsed()).toBeNull();
    own.find(key);
    expect(lastUsed()).toBe("2030-01-01T00:00:00.000Z");
    const then = ctime();
    clock.now += 59_000;
    own.find(key);
    expect(ctime()).toBe(then);
    clock.now += 2_000;
    own.find(key);
    expect(lastUsed()).toBe("2030-01-01T00:01:01.000Z");
  });

  it("whose file is damaged lets nobody in, and the list names it", () => {
    const { dir, keys: own } = keys();
    const { key, made } = own.create(WISH);
    own.find(key);
    for (const text of ["", "{}", JSON.stringify({ ...made, digest: "" }), "[1"]) {
      writeFileSync(join(dir, `${made.id}.json`), text);
      expect(own.find(key)).toBeNull();
      expect(() => own.list()).toThrow(made.id);
    }
  });

  it("copied to another id's name is not that id's", () => {
    const { dir, keys: own } = keys();
    const [one, two] = [own.create(WISH), own.create({ ...WISH, user: "bob" })];
    writeFileSync(join(dir, `${two.made.id}.json`), readFileSync(join(dir, `${one.made.id}.json`)));
    expect(own.find(two.key)).toBeNull();
    expect(own.find(one.key)).toMatchObject({ user: "alice" });
  });
});
