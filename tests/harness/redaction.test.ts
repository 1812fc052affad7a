// No secret survives, however a stream is cut; what is none is left as it was.
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SecretNames } from "../../src/harness/redaction/names.js";
import { hasPrefix } from "../../src/harness/redaction/quick-look.js";
import { MASK, Redaction } from "../../src/harness/redaction/redaction.js";
import { mayHaveShape, PREFIXES } from "../../src/harness/redaction/shapes.js";

const NAMES = new SecretNames(["Shibboleth"]);
const of = (env: Record<string, string>) => new Redaction(NAMES, env);

function streamed(redaction: Redaction, bytes: Buffer, cuts: readonly number[]): string {
  const stream = redaction.stream();
  const parts: Buffer[] = [];
  let from = 0;
  for (const at of [...cuts].sort((a, b) => a - b)) {
    const end = Math.min(Math.max(at, from), bytes.length);
    parts.push(stream.push(bytes.subarray(from, end)));
    from = end;
  }
  parts.push(stream.push(bytes.subarray(from)), stream.end());
  return Buffer.concat(parts).toString();
}

/** Few letters, so that secrets overlap themselves, each other and the text around them. */
const secret = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b"), minLength: 8, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom("é", "x", "-"), minLength: 8, maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 250, maxLength: 600 }),
);
const around = fc.string({ unit: fc.constantFrom("a", "b", "é", "x", "\n", "-"), maxLength: 12 });
const cutsOf = fc.array(fc.nat(1500), { maxLength: 30 });

const SHAPES = [
  `ghp_${"a1B2".repeat(9)}`,
  `github_pat_${"11AAAA_bbb".repeat(8)}`,
  `sk-proj-${"abc123".repeat(8)}`,
  "AKIAIOSFODNN7EXAMPLE",
  `xoxb-${"1234567890-".repeat(4)}abc`,
  `eyJ${"hbGciOi1".repeat(6)}.eyJ${"zdWIi".repeat(200)}.sig`,
  `-----BEGIN RSA PRIVATE KEY-----\n${`${"MIIEow".repeat(10)}\n`.repeat(20)}-----END RSA PRIVATE KEY-----`,
];

describe("a stream", () => {
  it("holds no secret, and is the same however it is cut", () => {
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 3 }), fc.array(around), cutsOf, (secrets, gaps, cuts) => {
        const redaction = of(Object.fromEntries(secrets.map((value, at) => [`TOKEN_${at}`, value])));
        const text = gaps.map((gap, at) => gap + secrets[at % secrets.length]).join("");
        const whole = streamed(redaction, Buffer.from(text), []);
        for (const value of secrets) expect(whole).not.toContain(value.trim());
        expect(streamed(redaction, Buffer.from(text), cuts)).toBe(whole);
        expect(redaction.text(text)).toBe(whole);
      }),
    );
  });

  it("holds no shape of a secret, wherever it is cut", () => {
    const redaction = of({});
    fc.assert(
      fc.property(
        fc.constantFrom(...SHAPES),
        cutsOf,
        fc.constantFrom("", "key: ", "(", "é "),
        (shape, cuts, before) => {
          const told = streamed(redaction, Buffer.from(`${before}${shape}\nnext`), cuts);
          expect(told).toBe(`${before}${MASK}\nnext`);
          expect(redaction.text(`${before}${shape}\nnext`)).toBe(told);
        },
      ),
    );
  });

  it("is the same however it is cut where prefixes, words and secrets run into each other", () => {
    const piece = fc.constantFrom(
      ...SHAPES.map((shape) => shape.slice(0, 25)),
      "sk-",
      "-----BEGIN ",
      "Bearer ",
      "x9",
      " ",
      "-",
      "ghp_",
      "PRIVATE KEY-----",
      "A".repeat(600),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), cutsOf, (pieces, cuts) => {
        const redaction = of({ API_KEY: "sk-Bearer " });
        const bytes = Buffer.from(pieces.join(""));
        expect(streamed(redaction, bytes, cuts)).toBe(streamed(redaction, bytes, []));
      }),
    );
  });

  it("is untouched where there is nothing to hide, byte for byte and at once", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
        const stream = of({ HOME: "/home/alice", API_KEY: "short" }).stream();
        const told = [...chunks.map((chunk) => stream.push(Buffer.from(chunk))), stream.end()];
        expect(Buffer.concat(told)).toEqual(Buffer.concat(chunks));
      }),
    );
    const line = Buffer.from("epoch 3: loss 0.1, job-runner, over -----\n");
    const words = Buffer.from("bearer of news, Basic usage, sk-learn-contribution\n");
    expect(of({}).stream().push(words)).toEqual(words);
    expect(of({}).stream().push(line)).toBe(line);
  });

  it("is held back no further than a secret may reach", () => {
    const stream = of({ TOKEN: "a".repeat(5000) }).stream();
    let told = 0;
    for (let at = 0; at < 200; at += 1) told += stream.push(Buffer.from("a".repeat(100))).length;
    expect(told).toBeGreaterThan(0);
    expect(stream.end().length).toBeLessThan(600);
  });

  it("knows what was learnt meanwhile", () => {
    const redaction = of({});
    const stream = redaction.stream();
    expect(redaction.learn({ session: { accessToken: "quite-ordinary" } })).toEqual({ session: { accessToken: MASK } });
    expect(
      Buffer.concat([
        stream.push(Buffer.from("it is quite-ordi")),
        stream.push(Buffer.from("nary.")),
        stream.end(),
      ]).toString(),
    ).toBe(`it is ${MASK}.`);
  });
});

describe("a document", () => {
  it("is masked by names and by values, and stays itself where there is nothing", () => {
    const redaction = of({
      DB_PASSWORD: "correct horse",
      DATABASE: "postgres://me:battery-staple@db/x",
      SHIBBOLETH: "sibboleth",
    });
    const value = {
      ...{ password: "x", "api-key": 17, max_tokens: 4096, isToken: true, note: "it was correct horse" },
      ...{ nested: [{ authorization: ["a", null] }], url: "https://x/?p=correct%20horse", db: "battery-staple" },
      ...{ "correct horse": 1, shibboleth: "any", plain: "sibboleth" },
    };
    expect(redaction.value(value)).toEqual({
      ...{ password: MASK, "api-key": MASK, max_tokens: 4096, isToken: true, note: `it was ${MASK}` },
      ...{ nested: [{ authorization: [MASK, null] }], url: `https://x/?p=${MASK}`, db: MASK },
      ...{ [MASK]: 1, shibboleth: MASK, plain: MASK },
    });
    const clean = { a: [1, { b: "text" }], c: null };
    expect(redaction.value(clean)).toBe(clean);
  });

  it("masks each line of a secret of many, and what JSON makes of it", () => {
    const key = `${"Line of the key 1".repeat(2)}\n${"Line of the key 2".repeat(2)}`;
    const redaction = of({ MY_PRIVATE_KEY: key });
    expect(redaction.text(`got ${"Line of the key 2".repeat(2)}`)).toBe(`got ${MASK}`);
    expect(redaction.text(JSON.stringify({ key }))).not.toContain("Line of the");
  });

  it("masks what Python makes of a secret where it writes it as JSON, as a text of its own or into an address", () => {
    const secrets = ["p@ss/w:rd-Zürich!", `it's "quoted" (a\\b)*~`, "zwei\nZeilen & 100% 😀", "é".repeat(300)];
    const forms = `
import json, sys, urllib.parse as u
print(json.dumps([[json.dumps(s), json.dumps(s, ensure_ascii=False), repr(s), ascii(s), u.quote(s), u.quote(s, safe=""), u.quote_plus(s)] for s in json.load(sys.stdin)]))`;
    const input = JSON.stringify(secrets);
    const made: string[][] = JSON.parse(execFileSync("python3", ["-c", forms], { input, encoding: "utf8" }));
    for (const [at, secret] of secrets.entries()) {
      const redaction = of({ API_TOKEN: secret });
      for (const form of made[at] ?? []) {
        const clean = redaction.text(`<${form}>`);
        expect([form, clean.replaceAll(MASK, "")]).toEqual([form, expect.stringMatching(/^<['"]?['"]?>$/)]);
      }
    }
  });

  it("masks the name of a file, and not only where it is text", () => {
    const redaction = of({ API_TOKEN: "correct-horse" });
    const named = {
      path: "\\xff-correct-horse",
      pathBase64: Buffer.from("\xff-correct-horse", "latin1").toString("base64"),
    };
    const other = { path: "\\xff", pathBase64: "/w==", bytes: 1 };
    expect(redaction.value({ created: [{ ...named, bytes: 1 }, other], deleted: [named] })).toEqual({
      created: [{ path: `\\xff-${MASK}`, bytes: 1 }, other],
      deleted: [{ path: `\\xff-${MASK}` }],
    });
  });

  it("keeps a key's name __proto__ and its depth in bounds", () => {
    const redaction = of({ TOKEN: "abcdefgh" });
    expect(JSON.stringify(redaction.value(JSON.parse('{"__proto__":"abcdefgh"}')))).toBe(`{"__proto__":"${MASK}"}`);
    let deep: unknown = "abcdefgh";
    for (let at = 0; at < 5000; at += 1) deep = [deep];
    expect(JSON.stringify(redaction.value(deep))).not.toContain("abcdefgh");
  });
});

describe("names", () => {
  it.each([
    "API_KEY",
    "GITHUB_TOKEN",
    "apiKey",
    "Authorization",
    "set-cookie",
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASS",
    "SENTRY_DSN",
    "shibboleth",
  ])("%s is one", (name) => {
    expect(NAMES.has(name)).toBe(true);
  });
  it.each([
    "PATH",
    "PWD",
    "OLDPWD",
    "HOME",
    "compass",
    "keyboard",
    "monkey",
    "author",
    "text",
    "TOKENIZER",
    "tokenizer_name",
    "tokenised",
    "secretary",
  ])("%s is none", (name) => {
    expect(NAMES.has(name)).toBe(false);
  });
});

it("looks closer wherever a prefix is", () => {
  for (const prefix of PREFIXES) expect(mayHaveShape(`x ${prefix}`), prefix).toBe(true);
});

it("finds prefixes in bytes as in text", () => {
  const letters = fc.constantFrom(...new Set(PREFIXES.join("")));
  const part = fc.oneof(
    fc.constantFrom(...PREFIXES),
    fc.constantFrom(...PREFIXES).map((prefix) => prefix.slice(1)),
    fc.constantFrom(...PREFIXES).map((prefix) => prefix.slice(0, -1)),
    fc.string({ unit: letters, maxLength: 6 }),
    fc.string({ unit: "binary", maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const bytes = Buffer.from(parts.join(""), "latin1");
      const text = bytes.toString("latin1");
      expect(hasPrefix(bytes)).toBe(PREFIXES.some((prefix) => text.includes(prefix)));
    }),
    { numRuns: 2000 },
  );
});

it("refuses more secrets than it can look for", () => {
  const env = Object.fromEntries(
    Array.from({ length: 3 }, (_, at) => [`SECRET_${at}`, `${at}${"x".repeat(30_000)}${at}`]),
  );
  expect(() => of({ ...env, TOKEN: Array.from({ length: 30_000 }, (_, at) => at).join("-") })).toThrow(
    /more than 65536 bytes/,
  );
});
