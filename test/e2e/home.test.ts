import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { picture, startBrowser, visit } from "../helpers/browser.ts";

describe("the page at /", () => {
  let app: App;
  let browser: Browser;

  beforeAll(async () => {
    app = await startApp();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  it.each([
    ["a desk", { width: 1440, height: 900 }],
    ["a phone", { width: 390, height: 844 }],
  ])("fits %s, asks no other origin, and leads to the API's page", async (name, viewport) => {
    const { page, context, complaints, origins } = await visit(browser, app.url, viewport);
    await picture(page, `home on ${name}`);
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(viewport.width);
    await page.getByRole("link", { name: "API reference" }).click();
    await page.getByRole("heading", { name: "Citadel" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/docs");
    expect(complaints).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });
});
