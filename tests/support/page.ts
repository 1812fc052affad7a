// The page in a real browser: one Chromium and one service for a file of tests, a window of its own for each user.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { serve, type TestService } from "./service.js";
import { suiteDir } from "./temp.js";

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 780 };

/** Where pictures of the page go, where somebody asked for it to be kept; else they are gone with the suite. */
const pictures = process.env.ISO_RUNTIME_TEST_ARTIFACTS ?? suiteDir();

export interface Window {
  page: Page;
  user: string;
  /** What the browser had to complain about. */
  complaints: string[];
  /** Addresses beyond the service's own. */
  strangers: string[];
}

export function pageBed() {
  const roots = suiteDir();
  let browser: Browser | undefined;
  let service: TestService | undefined;
  let stop: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    const executablePath = BROWSERS.find(existsSync);
    if (executablePath === undefined) throw new Error(`there is no Chromium: ${BROWSERS.join(", ")}`);
    // Chromium's own sandbox needs another user than root.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    const started = serve({ roots });
    stop = started.stop;
    [browser, service] = await Promise.all([chromium.launch({ executablePath, args }), started.ready]);
  });
  afterAll(async () => {
    await browser?.close();
    await stop?.();
  });
  const served = (): TestService => {
    if (service === undefined) throw new Error("the service has not started");
    return service;
  };
  /** A window of a user's own, at an address below the page's. */
  const open = async (user: string, options: BrowserContextOptions = {}, hash?: string): Promise<Window> => {
    if (browser === undefined) throw new Error("the browser has not started");
    const { url, token } = served();
    const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce", ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    // Enough for a machine that has much else to do: what is asked is whether, not when.
    page.setDefaultTimeout(60_000);
    const complaints: string[] = [];
    const strangers: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // That something is not there is an answer, and no fault of the page.
      const isAnswer = /Failed to load resource/.test(message.text());
      if (message.type() === "error" && !isAnswer) complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) strangers.push(request.url());
    });
    await page.goto(`${url}${hash ?? `#token=${token}&user=${encodeURIComponent(user)}`}`);
    return { page, user, complaints, strangers };
  };
  return { open, served, roots };
}

/** The head of the run that is shown says so. */
export async function ended(page: Page, word: string): Promise<void> {
  await page.locator(".run-state .ending", { hasText: new RegExp(`^${word}$`) }).waitFor();
}

export async function write(page: Page, code: string): Promise<void> {
  const editor = page.locator(".cm-content");
  await editor.click();
  await page.keyboard.press("ControlOrMeta+a");
  // As somebody pastes it.
  await editor.evaluate((element, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, code);
}

export async function runSnippet(page: Page, code: string): Promise<void> {
  await write(page, code);
  await page.keyboard.press("ControlOrMeta+Enter");
  await page.waitForURL(/#\/u\/[^/]+\/run\/[0-9a-f-]{36}$/);
}

export const tab = async (page: Page, name: string): Promise<void> => {
  await page.getByRole("tab", { name: new RegExp(`^${name}`) }).click();
};

/** Every line of the output by its number, those out of sight too. */
export async function outputLines(page: Page): Promise<Map<number, string[]>> {
  const found = await page.locator(".lines").evaluate(async (box) => {
    const lines: Record<string, string[]> = {};
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const seen = new Set<string>();
    for (let top = 0; ; top += 300) {
      box.scrollTop = top;
      await frame();
      for (const line of box.querySelectorAll(".line:not(.is-tool)")) {
        const number = line.querySelector(".line-number")?.textContent ?? "";
        const text = line.querySelector(".line-text")?.textContent ?? "";
        const at = `${number} ${text}`;
        if (seen.has(at)) continue;
        seen.add(at);
        lines[number] = [...(lines[number] ?? []), text];
      }
      if (top + box.clientHeight >= box.scrollHeight) return lines;
    }
  });
  return new Map(Object.entries(found).map(([number, texts]) => [Number(number), texts]));
}

/** Nothing that keeps somebody from using it; and on a phone nothing that is wider than it. */
export async function usable(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const said = serious.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  // What scrolls in the editor is the text itself, which has the focus.
  const ours = said.filter((text) => !/^scrollable-region-focusable: .*cm-scroller/.test(text));
  expect(ours, where).toEqual([]);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(wider, `${where} is wider than its window`).toBeLessThanOrEqual(0);
}

export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}
