// Every view of the page for every eye and hand: on a desk and a phone, light and dark, by keyboard, without a token, without a service.
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/cli.js";
import { DESKTOP, ended, PHONE, pageBed, picture, runSnippet, tab, usable } from "../support/page.js";
import { jsonOf } from "../support/service.js";

const { open, served, roots } = pageBed();
const TABS = ["Contract", "Changes", "Tools", "Logs", "Tree", "Policy", "Receipt"];
const SHOWS = `import os
out = os.environ["OUTPUT_DIR"]
open(out + "/totals.csv", "w").write("city,total,share\\n" + "".join(f"{c},{t},{t / 60:.2f}\\n" for c, t in [("Bern", 12), ("Oslo", 7), ("Rome", 41)]))
open(out + "/notes.md", "w").write("# Totals\\n\\nThree cities.\\n")
print("\\033[1mreading\\033[0m cities … \\033[32mok\\033[0m")
for c in ["Bern", "Oslo", "Rome"]: print("  \\033[36m" + c + "\\033[0m")
`;

const shown = async (page: Page, view: string, name: string): Promise<void> => {
  await page.getByRole("link", { name: view, exact: true }).first().click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
};

const PLACES = [
  { name: "desk", viewport: DESKTOP, schemes: ["light", "dark"] },
  { name: "phone", viewport: PHONE, schemes: ["dark", "light"] },
] as const;

describe("on a desk and on a phone", () => {
  it("every view can be used by everybody, and is pictured light and dark", async () => {
    await Promise.all(PLACES.map(through));
  });

  const through = async ({ name, viewport, schemes }: (typeof PLACES)[number]): Promise<void> => {
    const { page, complaints } = await open(name, { viewport });
    let looks = 0;
    const look = async (what: string) => {
      for (const [index, colorScheme] of schemes.entries()) {
        await page.emulateMedia({ colorScheme });
        await picture(page, `${name}-${colorScheme}-${what}`);
        // By turns: a view that is looked at light on a desk is looked at dark on a phone.
        if (index === looks % 2) await usable(page, `${name}, ${colorScheme}, ${what}`);
      }
      looks += 1;
    };
    await page.locator(".scenario-run").first().waitFor();
    await look("first");
    await page.getByRole("button", { name: "Promise a file" }).click();
    await page.getByLabel("Path of file 1").fill("totals.csv");
    await runSnippet(page, SHOWS);
    await ended(page, "succeeded");
    await look("result");
    for (const each of TABS) {
      await tab(page, each);
      if (each === "Changes") await page.getByRole("button", { name: /created:.*totals\.csv/ }).click();
      if (each === "Contract") await page.locator(".table.is-data").waitFor();
      if (each === "Receipt") await page.getByText("its hash is right").first().waitFor();
      await look(each.toLowerCase());
    }
    await page.locator(".scenario-run").nth(3).click();
    await ended(page, "failed");
    await look("failed");
    await shown(page, "History", "History");
    await page.locator(".runs-row").nth(1).waitFor();
    await look("history");
    for (const box of await page.locator(".runs-row input").all()) await box.check();
    await page.getByRole("button", { name: /^Compare/ }).click();
    await page.getByText("How it ended").waitFor();
    await look("compare");
    await shown(page, "Files", "Files");
    await page.getByRole("button", { name: "totals.csv" }).click();
    await page.locator(".table.is-data").waitFor();
    await look("files");
    await page.getByRole("button", { name: /^Versions/ }).click();
    await look("versions");
    await shown(page, "Status", "Status");
    await page.locator(".u-wrap").nth(5).waitFor();
    await look("status");
    await page.keyboard.press("?");
    await look("keys");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Search" }).click();
    await look("search");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^User/ }).click();
    await look("user");
    expect(complaints).toEqual([]);
  };
});

describe("without a mouse", () => {
  it("scenarios, snippets, views, tabs and searches are reached", async () => {
    const { page } = await open("typist");
    await page.locator(".cm-content").waitFor();
    await page.keyboard.press("s");
    await page.keyboard.type("12");
    await page.keyboard.press("Enter");
    await ended(page, "succeeded");
    await page.locator("body").click({ position: { x: 700, y: 20 } });
    await page.keyboard.press("3");
    expect(await page.getByRole("tab", { name: /^Changes/ }).getAttribute("aria-selected")).toBe("true");
    await page.getByRole("tab", { name: /^Changes/ }).focus();
    await page.keyboard.press("ArrowRight");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("report-tab-tools");
    await page.keyboard.press("g");
    await page.keyboard.press("h");
    await page.getByRole("heading", { level: 1, name: "History" }).waitFor();
    await page.keyboard.press("ControlOrMeta+k");
    await page.keyboard.type("run scenario 3.");
    await page.keyboard.press("Enter");
    await ended(page, "failed");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("e");
    await page.keyboard.type("# typed");
    await page.keyboard.press("Enter");
    await page.locator(".cm-content", { hasText: "# typed" }).waitFor();
    await page.keyboard.press("ControlOrMeta+Enter");
    await page.getByRole("heading", { name: "Snippet" }).nth(1).waitFor();
    await ended(page, "succeeded");
    expect(await page.locator("[role=status]").allTextContents()).toContainEqual(expect.stringMatching(/^Done in/));
  });
});

describe("the token", () => {
  it("leaves the address, stays in the tab, and is asked for where there is none or another", async () => {
    const { url, token } = served();
    const { page } = await open("keeper");
    await page.locator(".scenario-run").first().waitFor();
    expect(page.url()).toBe(`${url}#/u/keeper/`);
    await page.reload();
    await page.locator(".scenario-run").first().waitFor();
    const kept = await page.evaluate(() => ({
      local: localStorage.length,
      cookies: document.cookie,
      session: JSON.stringify(sessionStorage),
    }));
    expect(kept).toMatchObject({ local: 0, cookies: "" });
    expect(kept.session).toContain(token);
    const { page: other } = await open("stranger", { viewport: PHONE }, "");
    await other.getByRole("heading", { name: "Which token?" }).waitFor();
    await usable(other, "the door");
    await other.getByLabel("Token or key").fill("a-wrong-one");
    await other.keyboard.press("Enter");
    await other.getByText(/no key or token that is valid/).waitFor();
    await picture(other, "phone-light-token");
    await other.getByLabel("Token or key").fill(token);
    await other.keyboard.press("Enter");
    await other.getByRole("heading", { name: "For whom?" }).waitFor();
    await usable(other, "the choice of a user");
    await other.getByLabel("User", { exact: true }).fill("stranger");
    await other.keyboard.press("Enter");
    await other.locator(".scenario-run").first().waitFor();
  });
});

describe("a key", () => {
  it("of one user needs no name of one, and says so where another one is chosen", async () => {
    const { stdout } = await runCli(["keys", "create", "--json", "--user", "bound"], { roots });
    const { page } = await open("bound", {}, `#token=${JSON.parse(stdout).key}`);
    await page.getByRole("button", { name: "User: the key's own" }).waitFor();
    await page.locator(".scenario-run").nth(12).click();
    await ended(page, "succeeded");
    const { runs } = await jsonOf(await served().ask("/v1/runs?user=bound"));
    expect(runs).toHaveLength(1);
    await page.goto(`${served().url}#/u/somebody-else/history`);
    await page.getByText("This key is bound to another user than somebody-else.").waitFor();
    await usable(page, "a key that is another user's");
    await picture(page, "desk-light-other-user");
    await page.getByRole("button", { name: "Act for the key's own user" }).click();
    await page.locator(".scenario-run").nth(3).click();
    await ended(page, "failed");
  });
});

describe("where the service is away", () => {
  it("the page says so, and goes on by itself", async () => {
    const { page } = await open("waiter");
    await page.locator(".scenario-run").first().waitFor();
    await page.context().setOffline(true);
    await page.locator(".scenario-run").nth(12).click();
    await page.getByText("The service cannot be reached. The page goes on").waitFor();
    await picture(page, "desk-light-offline");
    await page.context().setOffline(false);
    await page.getByText("The service cannot be reached. The page goes on").waitFor({ state: "detached" });
    await page.locator(".scenario-run").nth(12).click();
    await ended(page, "succeeded");
  });

  it("and where it has too much to do, the page says when to ask again", async () => {
    const { page } = await open("hurried");
    const busy = {
      type: "about:blank",
      title: "too busy",
      status: 429,
      detail: "64 runs are under way.",
      code: "too_busy",
      hint: "Wait.",
    };
    await page.route("**/v1/runs?**", (route) =>
      route.request().method() === "POST"
        ? route.fulfill({
            status: 429,
            headers: { "Retry-After": "6" },
            contentType: "application/problem+json",
            body: JSON.stringify(busy),
          })
        : route.continue(),
    );
    await page.locator(".cm-content").waitFor();
    await page.locator(".button.is-primary").click();
    await page.getByText("64 runs are under way.").waitFor();
    await page.getByRole("button", { name: /Try again in/ }).waitFor();
    await page.unroute("**/v1/runs?**");
    await page.getByRole("button", { name: "Try again", exact: true }).click();
    await ended(page, "succeeded");
  });
});
