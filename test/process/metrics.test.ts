import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";

describe("GET /metrics", () => {
  let app: App;
  let alice: Person;
  let metrics: string;

  beforeAll(async () => {
    const port = await freePort();
    app = await startApp({ METRICS_PORT: String(port) });
    alice = await register(app);
    const body = { title: "A title of mine", body: "A body of mine" };
    await request(app, "POST /api/posts", { token: alice.token, body });
    await request(app, "POST /api/posts", { body });
    metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  });
  afterAll(() => app?.stop());

  it("counts what the contracts declare", () => {
    expect(metrics).toMatch(/^posts_created_total\{[^}]*\} 1$/m);
  });

  it("counts the calls and refusals of each action", () => {
    expect(metrics).toMatch(/^moleculer_request_total\{.*action="posts\.create".*\} 2$/m);
    expect(metrics).toMatch(
      /^moleculer_request_error_total\{.*action="posts\.create".*errorType="AccessTokenRequired"\} 1$/m,
    );
  });

  it("shows no user, token or parameter", () => {
    for (const secret of [alice.id, alice.username, alice.token, alice.password, "of mine"])
      expect(metrics).not.toContain(secret);
  });
});
