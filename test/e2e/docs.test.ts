import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { startBrowser, takePicture, visitPage } from "../helpers/browser.ts";
import { type Person, register, request } from "../helpers/http.ts";

const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

describe("GET /docs", () => {
  let app: App;
  let browser: Browser;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp();
    browser = await startBrowser();
    alice = await register(app, "alice");
  });
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  const open = async (hash = "", viewport = DESK) => {
    const visit = await visitPage(browser, `${app.url}/docs${hash}`, viewport);
    await visit.page.getByRole("heading", { name: "Citadel" }).waitFor();
    return visit;
  };

  it.each([
    ["desktop", DESK],
    ["phone", PHONE],
  ])("shows the API on a %s and requests nothing from other origins", async (name, viewport) => {
    const { page, context, problems, origins } = await open("", viewport);
    await page.getByText("creates an account").first().waitFor();
    await takePicture(page, name);
    await page.locator(".opblock-post").getByText("/api/posts").click();
    await page.getByText("Requires the permission").first().waitFor();
    await page.getByText("The resource was created.").first().waitFor();
    await takePicture(page, `operation on ${name}`);
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(viewport.width);
    expect(problems).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });

  it("opens the operation that its address names", async () => {
    const { page, context, problems } = await open("#/posts/posts.update");
    await page.getByText("If-Match").first().waitFor();
    expect(problems).toEqual([]);
    await context.close();
  });

  it("sends a request with the access token that a user enters, and stores no token", async () => {
    const { page, context, problems, origins } = await open("#/posts/posts.create");
    await page.getByRole("button", { name: "Authorize", exact: true }).click();
    await page.getByLabel("auth-bearer-value").fill(alice.token);
    await page.getByRole("button", { name: "Apply credentials" }).first().click();
    await page.getByRole("button", { name: "Close" }).first().click();
    await page.getByRole("button", { name: "Execute" }).click();
    await expect
      .poll(async () => (await request(app, "GET /api/posts")).body.items)
      .toMatchObject([{ title: "Hi", excerpt: "There", authorId: alice.id }]);
    await page.locator(".live-responses-table").getByText("201").first().waitFor();
    await takePicture(page, "request");
    const stored = await page.evaluate(
      "JSON.stringify([localStorage, sessionStorage, document.cookie])",
    );
    expect(stored).not.toContain(alice.token);
    expect(problems).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });

  it("has a policy that allows only this origin, and no inline scripts or styles", async () => {
    const { headers, body } = await request(app, "GET /docs");
    const policy = headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; ");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-/);
    for (const [, attributes] of body.matchAll(/<script([^>]*)>/g))
      expect(attributes).toMatch(/src="\/docs\//);
    expect(body).not.toMatch(/https?:\/\/|<style/);
  });

  it("serves its files with an address that changes with their content", async () => {
    const { body } = await request(app, "GET /docs");
    const files = [...body.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, url]) => url);
    expect(files).toHaveLength(4);
    for (const url of files) {
      const file = await request(app, `GET ${url}`);
      expect(file.status).toBe(200);
      expect(file.headers.get("content-type")).toMatch(
        url!.includes(".css?") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
      );
      expect(file.headers.get("cache-control")).toContain("immutable");
      const etag = file.headers.get("etag")!;
      const again = await request(app, `GET ${url}`, { headers: { "if-none-match": etag } });
      expect(again.status).toBe(304);
    }
  });
});
