import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowedHosts, listenAddress, ownHosts, urlOf } from "../../src/http/address.js";

const no = () => false;
const yes = () => true;

describe("where it listens", () => {
  it("is this host alone, or with keys any address of it", () => {
    expect(listenAddress("localhost", no)).toEqual({ host: "127.0.0.1", isLoopback: true });
    for (const host of ["127.0.0.9", "::1", "0:0:0:0:0:0:0:1"]) expect(listenAddress(host, no).isLoopback).toBe(true);
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]) {
      expect(() => listenAddress(host, no)).toThrow("there is no key yet");
      expect(listenAddress(host, yes)).toEqual({ host, isLoopback: false });
    }
    for (const host of ["", "example.org", "127.0.0.1.example.org", "2130706433", "127.1", "1.2.3.4:80"]) {
      expect(() => listenAddress(host, yes)).toThrow("is no IP address");
    }
  });

  it("does not look for keys where it needs none", () => {
    const never = () => {
      throw new Error("asked");
    };
    expect(listenAddress("127.0.0.1", never).isLoopback).toBe(true);
  });
});

describe("the names of an address", () => {
  const of = (host: string, port = 8321) => ownHosts(listenAddress(host, yes), port);

  it("are its own, with the port but for the one that clients leave out", () => {
    expect(of("127.0.0.1")).toEqual(["127.0.0.1:8321", "localhost:8321"]);
    expect(of("::1", 80)).toEqual(["[::1]", "[::1]:80", "localhost", "localhost:80"]);
    expect(of("192.0.2.1")).toEqual(["192.0.2.1:8321"]);
  });

  it("that is every address of the host are those that the host has", () => {
    expect(of("0.0.0.0")).toEqual(expect.arrayContaining(["127.0.0.1:8321", "localhost:8321"]));
    expect(of("0.0.0.0")).not.toContain("0.0.0.0:8321");
    expect(of("0.0.0.0").some((name) => name.startsWith("["))).toBe(false);
    expect(urlOf("0.0.0.0", 8321)).toBe("http://127.0.0.1:8321/");
    expect(urlOf("::", 1)).toBe("http://[::1]:1/");
    expect(urlOf("2001:db8::1", 1)).toBe("http://[2001:db8::1]:1/");
  });

  it("that the operator gives are good with the service's port and without, or with the one that is given", () => {
    expect(allowedHosts(["API.example.org", "b:8443", "[2001:DB8::1]"], 8321)).toEqual([
      ...["api.example.org", "api.example.org:8321", "b:8443", "[2001:db8::1]", "[2001:db8::1]:8321"],
    ]);
  });

  it.each(["", "*", "*.example.org", "http://a", "a/b", "a b", "a:", ":80", "a:b", "a,b", "-a", "a.", "[::1", "a@b"])(
    "are refused where they are none: %j",
    (name) => {
      expect(() => allowedHosts([name], 1)).toThrow("--allow-host");
    },
  );

  it("never match what a URL does not have as its host", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."ab1.-:[]/@*\\ "), maxLength: 12 });
    fc.assert(
      fc.property(letters, (name) => {
        let allowed: string[];
        try {
          allowed = allowedHosts([name], 8321);
        } catch {
          return;
        }
        for (const host of allowed) expect(host).not.toMatch(/[/@*\\ ]|^$|^:/);
      }),
      { numRuns: 2000 },
    );
  });
});
