import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { startBrowser, takePicture, visitPage } from "../helpers/browser.ts";

describe("GET /graphql", () => {
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

  it("shows the schema, runs an operation and requests nothing from other origins", async () => {
    const viewport = { width: 1440, height: 900 };
    const { page, context, problems, origins } = await visitPage(
      browser,
      `${app.url}/graphql`,
      viewport,
    );
    await page.getByRole("button", { name: "Execute query" }).click();
    await page.getByText('"postsList"').waitFor();
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.getByText("Mutation", { exact: true }).first().waitFor();
    await takePicture(page, "graphql");
    expect(problems).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });
});
