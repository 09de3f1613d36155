import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { startBrowser, takePicture, visitPage } from "../helpers/browser.ts";

describe("GET /", () => {
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
    ["desktop", { width: 1440, height: 900 }],
    ["phone", { width: 390, height: 844 }],
  ])(
    "fits a %s, requests nothing from other origins, and links to the API reference",
    async (name, viewport) => {
      const { page, context, problems, origins } = await visitPage(browser, app.url, viewport);
      await takePicture(page, `home on ${name}`);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect(width).toBeLessThanOrEqual(viewport.width);
      await page.getByRole("link", { name: "API reference" }).click();
      await page.getByRole("heading", { name: "Citadel" }).waitFor();
      expect(new URL(page.url()).pathname).toBe("/docs");
      expect(problems).toEqual([]);
      expect([...origins]).toEqual([app.url]);
      await context.close();
    },
  );
});
