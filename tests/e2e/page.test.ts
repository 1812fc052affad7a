// The page as a person uses it: a real browser, the built service, real sandboxes.
import { deflateSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ended, outputLines, pageBed, picture, runSnippet, tab, write } from "../support/page.js";
import { SCENARIO_ROWS } from "../support/scenarios.js";
import { jsonOf } from "../support/service.js";

const { open, served } = pageBed();
const WORDS = { succeeded: "succeeded", failed: "failed", timed_out: "timed out" } as Record<string, string>;
const runIdOf = (page: Page): string => page.url().slice(-36);

describe("scenarios", () => {
  const through = async (how: "click" | "text", user: string): Promise<void> => {
    const { page, complaints, strangers } = await open(user);
    for (const { id, status, code } of SCENARIO_ROWS) {
      const before = page.url();
      if (how === "click") await page.locator(".scenario-run").nth(Number(id)).click();
      else {
        const box = page.getByLabel(/^Scenario to run/);
        await box.fill(Number(id) % 2 === 0 ? id : `scenario ${id}`);
        await box.press("Enter");
      }
      await page.waitForURL((url) => url.href !== before && /\/run\//.test(url.href));
      await page.locator(".run-title h2", { hasText: new RegExp(`^${id}\\. `) }).waitFor();
      await page.locator(".run-id", { hasText: runIdOf(page) }).waitFor();
      await ended(page, WORDS[status] ?? status);
      await tab(page, "Result");
      expect((await page.locator(".verdict-sentence").textContent())?.length).toBeGreaterThan(10);
      const fact = page.locator(".facts div", { hasText: "Error code" }).locator("dd");
      if (code !== null) expect(await fact.textContent()).toBe(code);
      expect(await page.locator(".followups .chip").count()).toBeGreaterThanOrEqual(SCENARIO_ROWS.length);
    }
    expect([complaints, strangers]).toEqual([[], []]);
  };

  it("run by a click and by a text, and end as they must, with the next ones offered", async () => {
    await Promise.all([through("click", "clicker"), through("text", "writer")]);
  });

  it("that there are not are told in place", async () => {
    const { page } = await open("alice");
    await page.getByLabel(/^Scenario to run/).fill("scenario 99");
    await page.keyboard.press("Enter");
    expect(await page.locator("#scenario-wrong").textContent()).toContain("99");
  });
});

describe("a live run", () => {
  const COUNTS = "import time\nfor n in range(150):\n    print('line', n, flush=True)\n    time.sleep(0.02)\n";

  it("is cancelled, at once", async () => {
    const { page } = await open("canceller");
    await runSnippet(page, 'print("ready", flush=True)\nwhile True: pass');
    await page.locator(".line-text", { hasText: "ready" }).waitFor();
    await page.locator(".run-state .ending", { hasText: "running" }).waitFor();
    await picture(page, "desk-light-live");
    // The page shows that it heard before the service has said anything.
    let pass = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      pass = resolve;
    });
    await page.route("**/cancel?**", async (route) => {
      await held;
      await route.continue();
    });
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await page.locator(".run-state button:disabled").waitFor();
    pass();
    await ended(page, "cancelled");
    const run = await jsonOf(await served().ask(`/v1/runs/${runIdOf(page)}?user=canceller`));
    expect(run.status).toBe("cancelled");
  });

  it("goes on over reloads and lost connections, with each line once", async () => {
    const { page } = await open("reloader");
    await runSnippet(page, COUNTS);
    // How far it is: a line of one number may be out of sight before anybody looks.
    const newest = async () =>
      Math.max(
        -1,
        ...(await page.locator(".line-text").allTextContents()).map((text) =>
          Number(/^line (\d+)$/.exec(text)?.[1] ?? -1),
        ),
      );
    const reaches = (number: number) => expect.poll(newest, { timeout: 60_000 }).toBeGreaterThanOrEqual(number);
    await reaches(10);
    await page.reload();
    await reaches(40);
    await page.context().setOffline(true);
    // A connection that stands is not cut by this; a new one is not to be had.
    await page.reload().catch(() => undefined);
    await page.context().setOffline(false);
    await page.goto(`${served().url}#/u/reloader/history`);
    await page.goBack();
    await ended(page, "succeeded");
    const lines = await outputLines(page);
    expect([...lines].map(([number, texts]) => [number, texts])).toEqual(
      Array.from({ length: 150 }, (_, n) => [n + 1, [`line ${n}`]]),
    );
  });

  it("shows output of a million lines, and stays usable", async () => {
    const { page, complaints } = await open("printer");
    await runSnippet(
      page,
      'import sys\nfor at in range(1000):\n    sys.stdout.write("".join(f"\\033[3{n % 8}mline\\033[0m {at * 1000 + n}\\n" for n in range(1000)))',
    );
    await ended(page, "succeeded");
    await page.locator(".line-text", { hasText: /^line 999999$/ }).waitFor();
    expect(await page.locator(".line").count()).toBeLessThan(150);
    const mostLines = await page.locator(".lines").evaluate(async (box) => {
      let most = 0;
      for (let step = 0; step < 40; step += 1) {
        box.scrollTop = (box.scrollHeight / 40) * step;
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        most = Math.max(most, box.querySelectorAll(".line").length);
      }
      return most;
    });
    expect(mostLines).toBeLessThan(150);
    await page.locator(".lines").focus();
    await page.keyboard.press("/");
    await page.keyboard.type("line 999998");
    await page.locator(".line.is-found", { hasText: "line 999998" }).waitFor();
    expect(await page.locator(".line.is-found mark").allTextContents()).toEqual(["line", " 999998"]);
    expect(complaints).toEqual([]);
  });

  it("shows tools as they are called, errors by their line, and leads from there to the editor", async () => {
    const { page } = await open("caller");
    await page.locator(".scenario-run").nth(0).click();
    await page.locator(".line.is-tool", { hasText: "local_tools.write_note" }).waitFor();
    await ended(page, "succeeded");
    await runSnippet(page, "def f():\n    raise ValueError('what went wrong')\n\nf()\n");
    await ended(page, "failed");
    await write(page, "print('something else')");
    await page.locator(".verdict-head").getByRole("button", { name: "line 2" }).click();
    await page.locator(".cm-jumped", { hasText: "raise ValueError('what went wrong')" }).waitFor();
    await tab(page, "Logs");
    expect(await page.locator(".log-line.is-error").first().textContent()).toContain("error");
    await page.locator(".log-line").getByRole("button", { name: "line 4" }).click();
    await page.locator(".cm-jumped", { hasText: "f()" }).waitFor();
    await tab(page, "Policy");
    await page.locator(".policy tr", { hasText: "memory" }).first().waitFor();
    await tab(page, "Receipt");
    await page.getByText("its hash is right").first().waitFor();
  });
});

describe("files", () => {
  it("are sent, looked at, changed by a run, compared, and brought back", async () => {
    const { page, complaints } = await open("filer");
    await page.getByRole("link", { name: "Files" }).click();
    await page.getByText("The workspace is empty").waitFor();
    await page.getByLabel("Files to send").setInputFiles([
      { name: "cities.csv", mimeType: "text/csv", buffer: Buffer.from("city,total\nOslo,7\nBern,12\n") },
      { name: "dot.png", mimeType: "image/png", buffer: png(3, 2) },
      {
        name: "evil.svg",
        mimeType: "image/svg+xml",
        buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=1"/>'),
      },
      {
        name: "evil.html.png",
        mimeType: "image/png",
        buffer: Buffer.from("<script>document.title = 'taken'</script>"),
      },
    ]);
    await page.getByRole("button", { name: "cities.csv" }).click();
    const cells = () => page.locator(".table.is-data tbody tr td:first-child").allTextContents();
    await page.getByRole("button", { name: "total" }).click();
    expect(await cells()).toEqual(["Oslo", "Bern"]);
    await page.getByRole("button", { name: "total" }).click();
    expect(await cells()).toEqual(["Bern", "Oslo"]);
    await page.getByRole("button", { name: "dot.png" }).click();
    await page.getByText("3 × 2, PNG").waitFor();
    expect(await page.locator(".picture img").evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(3);
    for (const name of ["evil.svg", "evil.html.png"]) {
      await page.getByRole("button", { name }).click();
      await page.locator(".text-preview", { hasText: "<s" }).waitFor();
    }
    expect(await page.title()).toBe("iso-runtime");
    await page.getByRole("link", { name: "Run", exact: true }).click();
    await runSnippet(
      page,
      'import os\np = os.environ["OUTPUT_DIR"] + "/cities.csv"\nt = open(p).read()\nopen(p, "w").write(t.replace("7", "8") + "Rome,1\\n")',
    );
    await ended(page, "succeeded");
    await tab(page, "Changes");
    await page.getByRole("button", { name: /modified:.*cities\.csv/ }).click();
    await page.locator(".diff .is-come mark", { hasText: "8" }).waitFor();
    expect(await page.locator(".diff .is-gone mark").allTextContents()).toEqual(["7"]);
    expect(await page.locator(".diff-text.is-come").last().textContent()).toBe("Rome,1");
    await page.getByRole("button", { name: "Undo this run" }).click();
    await page.getByRole("button", { name: "Go back" }).click();
    await page.getByText("Gone back: 1 file changed.").waitFor();
    const text = async () => await (await served().ask("/v1/workspace/files/cities.csv?user=filer")).text();
    expect(await text()).toBe("city,total\nOslo,7\nBern,12\n");
    await page.getByRole("link", { name: "Files" }).click();
    await page.getByRole("button", { name: "cities.csv" }).click();
    await page.getByRole("button", { name: "Remove cities.csv" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByText("was removed").waitFor();
    await page.getByRole("button", { name: /^Versions/ }).click();
    await page.locator(".version", { hasText: "gone back" }).getByRole("button").click();
    await page.getByRole("button", { name: "Go back", exact: true }).last().click();
    await page
      .getByText(/^Gone back/)
      .last()
      .waitFor();
    expect(await text()).toContain("Oslo,7");
    expect(complaints).toEqual([]);
  });

  it("that were promised are shown with their verdicts and in themselves", async () => {
    const { page } = await open("promiser");
    await page.getByRole("button", { name: "Promise a file" }).click();
    await page.getByLabel("Path of file 1").fill("data.json");
    await page.getByRole("button", { name: "Promise a file" }).click();
    await page.getByLabel("Path of file 2").fill("missing.csv");
    await runSnippet(
      page,
      'import os, json\njson.dump({"a": [1, {"b": "<b>bold</b>"}]}, open(os.environ["OUTPUT_DIR"] + "/data.json", "w"))',
    );
    await ended(page, "failed");
    await tab(page, "Contract");
    expect(await page.locator(".artifact .ending").allTextContents()).toEqual(
      expect.arrayContaining([expect.stringContaining("satisfied"), expect.stringContaining("missing")]),
    );
    await page.locator(".json-fold", { hasText: "a" }).first().waitFor();
    await page.locator(".json-fold", { hasText: "1" }).last().click();
    await page.locator(".json-text", { hasText: "<b>bold</b>" }).waitFor();
    expect(await page.getByRole("tab", { name: /^Contract/ }).textContent()).toContain("1/2");
  });
});

describe("a hostile program", () => {
  const HOSTILE = `import os, sys
out = os.environ["OUTPUT_DIR"]
tag = "<img src=x onerror=document.title=1><script>document.title=2</script>"
print(tag)
print("\\033]8;;javascript:document.title=3\\033\\\\click\\033]8;;\\033\\\\ \\033]0;title\\007 http://evil.example/")
print("ERROR", tag, file=sys.stderr)
for name in ["<img src=x onerror=document.title=4>.txt", "a\\nb.txt", "\\u202egnp.exe", "__proto__", "%2e%2e%2fx.csv"]:
    open(f"{out}/{name}", "w").write(tag + ",1\\n=2,3\\n")
open(os.fsencode(out) + b"/\\xff.txt", "w").write("x")
os.symlink("/etc/passwd", out + "/link.txt")
open(out + "/p.json", "w").write('{"__proto__": {"a": 1}, "' + "x" * 5000 + '": ' + "[" * 2000 + "]" * 2000 + "}")
await agent_io_tools.tool_call(tool_id="local_tools.write_note", params={"text": tag}, call_reason=tag)
raise ValueError(tag)
`;

  it("makes nothing of the page but text, whatever it says, calls and writes", async () => {
    const { page, complaints, strangers } = await open("hostile");
    await runSnippet(page, HOSTILE);
    await ended(page, "failed");
    await page.locator(".line-text", { hasText: /^click +http:\/\/evil\.example\/$/ }).waitFor();
    for (const each of ["Result", "Changes", "Tools", "Logs", "Tree", "Receipt"]) await tab(page, each);
    await tab(page, "Changes");
    await page.getByRole("button", { name: /skipped:.*link\.txt/ }).click();
    await page.getByText(/was not taken over/).waitFor();
    for (const button of await page.locator(".changes .tree-file").all()) await button.click();
    await page.getByRole("button", { name: /created:.*xff\.txt/ }).click();
    await page.getByText("Its name is no UTF-8").waitFor();
    await page.getByRole("link", { name: "Files" }).click();
    for (const button of await page.locator(".file-list .tree-file:not([aria-expanded])").all()) {
      await button.click();
      await page.locator(".file-pane, .split > .empty").first().waitFor();
    }
    await page.getByRole("button", { name: "p.json" }).first().click();
    await page.locator(".json-fold").first().waitFor();
    await page.getByRole("link", { name: "History" }).click();
    await page.locator(".runs-row").first().waitFor();
    expect(await page.title()).toBe("iso-runtime");
    expect(
      await page
        .locator("img, script:not([src]), iframe, object, embed, a[href^='http'], a[href^='javascript']")
        .count(),
    ).toBe(0);
    expect([complaints, strangers]).toEqual([[], []]);
  });
});

describe("users", () => {
  it("side by side see their own runs and files alone", async () => {
    const [one, two] = await Promise.all([open("left hand"), open("right/hand")]);
    await Promise.all(
      [one, two].map(({ page, user }) =>
        runSnippet(
          page,
          `import os\nopen(os.environ["OUTPUT_DIR"] + "/own.txt", "w").write("of ${user}")\nprint("I am ${user}")`,
        ),
      ),
    );
    for (const { page, user } of [one, two]) {
      await ended(page, "succeeded");
      await page.locator(".line-text", { hasText: `I am ${user}` }).waitFor();
      await page.getByRole("link", { name: "History" }).first().click();
      await page.locator(".runs-row").first().waitFor();
      expect(await page.locator(".runs-row").count()).toBe(1);
      await page.getByLabel("Search runs by text").fill(`of ${user.slice(0, 4)}`);
      await page.getByLabel("Ending").selectOption("failed");
      await page.getByText("No run is like that").waitFor();
      await page.getByLabel("Ending").selectOption("");
      await page.locator(".runs-row").waitFor();
      await page.goBack();
    }
    const foreign = runIdOf(one.page);
    await two.page.goto(`${served().url}#/u/${encodeURIComponent("right/hand")}/run/${foreign}`);
    await two.page.getByText("There is no such run of this user.").first().waitFor();
    await two.page.getByRole("button", { name: "User: right/hand" }).click();
    await two.page.getByLabel("User", { exact: true }).fill("left hand");
    await two.page.keyboard.press("Enter");
    await two.page.getByRole("link", { name: "Files" }).click();
    await two.page.getByRole("button", { name: "own.txt" }).click();
    await two.page.getByText("of left hand").waitFor();
  });
});

/** A picture of one colour. */
function png(width: number, height: number): Buffer {
  const table = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  const crc = (bytes: Buffer) =>
    (bytes.reduce((c, byte) => (table[(c ^ byte) & 255] ?? 0) ^ (c >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
  const number = (value: number) => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  const chunk = (name: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(name), data]);
    return Buffer.concat([number(data.length), named, number(crc(named))]);
  };
  const head = Buffer.concat([number(width), number(height), Buffer.from([8, 2, 0, 0, 0])]);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, 120)]);
  const rows = deflateSync(Buffer.concat(Array.from({ length: height }, () => row)));
  const start = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([start, chunk("IHDR", head), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}
