import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { picture, startBrowser, visit } from "../helpers/browser.ts";
import { type Person, register, request } from "../helpers/http.ts";

describe("the API's page", () => {
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

  const open = async (hash = "", viewport?: { width: number; height: number }) => {
    const visited = await visit(browser, `${app.url}/docs${hash}`, viewport);
    await visited.page.getByRole("heading", { name: "Citadel" }).waitFor();
    return visited;
  };

  it.each([
    ["a desk", { width: 1440, height: 900 }],
    ["a phone", { width: 390, height: 844 }],
  ])("shows what there is, on %s, and asks nobody else", async (name, viewport) => {
    const { page, context, complaints, origins } = await open("", viewport);
    await page.getByText("makes an account,").first().waitFor();
    await picture(page, name);
    // what is further down is drawn once it is scrolled to
    const operation = page.getByRole("heading", { name: "Writes a post" });
    await page.evaluate(`location.hash = "#tag/posts/POST/api/posts"`);
    await operation.waitFor();
    await page.getByText("Needs the permission").first().waitFor();
    await picture(page, `an operation on ${name}`);
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(viewport.width);
    expect(complaints).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });

  it("sends a request in the name of whoever puts in a token", async () => {
    const { page, context, complaints, origins } = await open();
    await page.getByPlaceholder("Token").first().fill(alice.token);
    await page.evaluate(`location.hash = "#tag/posts/POST/api/posts"`);
    await page
      .getByRole("button", { name: /Test Request.*post.*\/api\/posts\)?$/i })
      .first()
      .click();
    await page.getByRole("button", { name: /^Send/ }).first().click();
    await expect
      .poll(async () => (await request(app, "GET /api/posts")).body.items)
      .toMatchObject([{ title: "Hi", excerpt: "There", authorId: alice.id }]);
    await page.getByText("201 Created").first().waitFor();
    await picture(page, "a request");
    // the token is gone with the page
    const kept = await page.evaluate(
      "JSON.stringify([localStorage, sessionStorage, document.cookie])",
    );
    expect(kept).not.toContain(alice.token);
    expect(complaints).toEqual([]);
    expect([...origins]).toEqual([app.url]);
    await context.close();
  });

  it("has a policy that lets nothing of others in, and no script in the page", async () => {
    const { headers, body } = await request(app, "GET /docs");
    const policy = headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'; script-src 'self'; ");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
    for (const [, src] of body.matchAll(/<script([^>]*)>/g)) expect(src).toMatch(/src="\/docs\//);
    expect(body).not.toMatch(/https?:\/\//);

    const [, src = ""] = /src="(\/docs\/scalar\.js\?[^"]+)"/.exec(body) ?? [];
    const script = await request(app, `GET ${src}`);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(script.headers.get("cache-control")).toContain("immutable");
    const etag = script.headers.get("etag")!;
    const again = await request(app, `GET ${src}`, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
  });
});
