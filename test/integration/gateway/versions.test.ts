import { beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { administrator, type Person, register, request } from "../../helpers/http.ts";

describe.skipIf(isMissing)("Concurrent changes", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
  });

  async function draft(): Promise<string> {
    const body = { title: "Draft", body: "There" };
    const made = await request(app, "POST /api/posts", { token: alice.token, body });
    return `/api/posts/${made.body.id}`;
  }

  const change = (path: string, title: string, ifMatch?: string) =>
    request(app, `PUT ${path}`, {
      token: alice.token,
      body: { title },
      ...(ifMatch !== undefined && { headers: { "if-match": ifMatch } }),
    });

  it("do not overwrite each other", async () => {
    const path = await draft();
    const etag = (await request(app, `GET ${path}`)).headers.get("etag");
    expect(etag).toBe('"1"');
    const first = await change(path, "First", etag!);
    expect(first.status).toBe(200);
    expect(first.headers.get("etag")).toBe('"2"');
    const second = await change(path, "Second", etag!);
    expect(second.status).toBe(412);
    expect(second.body.type).toBe("PreconditionFailed");
    expect((await request(app, `GET ${path}`)).body).toMatchObject({ title: "First", version: 2 });
  });

  it("with the same If-Match succeed once", async () => {
    const path = await draft();
    const responses = await Promise.all(
      Array.from({ length: 10 }, (_, at) => change(path, `Number ${at}`, '"1"')),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(responses.filter(({ status }) => status === 412)).toHaveLength(9);
  });

  it("are not lost by removing an older version", async () => {
    const path = await draft();
    await change(path, "Changed");
    const remove = (ifMatch: string) =>
      request(app, `DELETE ${path}`, { token: alice.token, headers: { "if-match": ifMatch } });
    expect((await remove('"1"')).status).toBe(412);
    expect((await remove('"2"')).status).toBe(204);
    expect((await remove('"2"')).status).toBe(404);
  });

  it.each([
    ["an unknown tag", '"abc"', 412],
    ["a tag that a proxy made weak", 'W/"1"', 200],
    ["a weak tag of another version", 'W/"9"', 412],
    ["the version 0", '"0"', 412],
    ["several tags", '"1", "2"', 400],
    ["any version", "*", 200],
  ])("are answered to %s", async (_what, ifMatch, status) => {
    const path = await draft();
    expect((await change(path, "Changed", ifMatch)).status).toBe(status);
  });

  it("are possible without If-Match", async () => {
    const path = await draft();
    await change(path, "First");
    expect((await change(path, "Second")).body).toMatchObject({ title: "Second", version: 3 });
  });

  it("do not overwrite each other in an account", async () => {
    const admin = await administrator(app);
    const bob = await register(app, "bob");
    const changeAs = (route: string, token: string, body: object, version: number) =>
      request(app, route, { token, body, headers: { "if-match": `"${version}"` } });
    const read = await request(app, "GET /api/users/me", { token: bob.token });
    expect(read.headers.get("etag")).toBe('"1"');
    const renamed = { username: `${bob.username}-2` };
    expect((await changeAs("PATCH /api/users/me", bob.token, renamed, 1)).body.version).toBe(2);
    const email = { email: "other@example.com" };
    const route = `/api/users/${bob.id}`;
    expect((await changeAs("PATCH /api/users/me", bob.token, email, 1)).status).toBe(412);
    expect((await changeAs(`PUT ${route}`, admin.token, email, 1)).status).toBe(412);
    const roles = { roles: ["moderator"] };
    expect((await changeAs(`PUT ${route}/roles`, admin.token, roles, 1)).status).toBe(412);
    const { body } = await request(app, `GET ${route}`, { token: admin.token });
    expect(body).toMatchObject({ ...renamed, email: `${bob.username}@example.com`, version: 2 });
    expect(body.roles).toEqual(["user"]);
    expect((await changeAs(`PUT ${route}/roles`, admin.token, roles, 2)).status).toBe(200);
    const remove = (version: number) =>
      request(app, `DELETE ${route}`, {
        token: admin.token,
        headers: { "if-match": `"${version}"` },
      });
    expect((await remove(2)).status).toBe(412);
    expect((await remove(3)).status).toBe(204);
  });

  it("are seen by a reader with If-None-Match", async () => {
    const path = await draft();
    // fetch itself would add "no-cache", which requests a full response
    const headers = { "if-none-match": '"1"', "cache-control": "max-age=0" };
    expect((await request(app, `GET ${path}`, { headers })).status).toBe(304);
    await change(path, "Changed");
    expect((await request(app, `GET ${path}`, { headers })).status).toBe(200);
  });

  it("are sent in full to a user with the ETag of another user", async () => {
    const { id, token } = await register(app);
    const seen = await request(app, `GET /api/users/${id}`, { token: alice.token });
    const headers = { "if-none-match": seen.headers.get("etag")!, "cache-control": "max-age=0" };
    const own = await request(app, `GET /api/users/${id}`, { token, headers });
    expect([own.status, seen.body.email]).toEqual([200, undefined]);
    expect(own.body.email).toBeDefined();
  });
});
