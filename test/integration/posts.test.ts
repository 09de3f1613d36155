import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { administrator, type Person, register, request } from "../helpers/http.ts";

describe.skipIf(isMissing)("posts", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp();
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());

  const write = (token: string, title: string) =>
    request(app, "POST /api/posts", { token, body: { title, body: "There" } });

  it("are written by those who are signed in and read by everybody", async () => {
    const made = await write(alice.token, "Hi");
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/api/posts/${made.body.id}`);
    expect(made.body).toEqual({
      id: expect.any(String),
      authorId: alice.id,
      title: "Hi",
      body: "There",
      createdAt: expect.any(String),
      updatedAt: made.body.createdAt,
      version: 1,
    });
    const read = await request(app, `GET /api/posts/${made.body.id}`);
    expect(read.body).toEqual(made.body);
  });

  it("are listed newest first, page by page, while others are added", async () => {
    const { id, token } = await register(app);
    const titles = ["one", "two", "three"];
    for (const title of titles) await write(token, title);
    const route = `GET /api/users/${id}/posts?limit=2`;
    const first = await request(app, route);
    expect(first.body.items.map(({ title }: any) => title)).toEqual(["three", "two"]);
    await write(token, "four");
    const second = await request(app, `${route}&cursor=${first.body.nextCursor}`);
    expect(second.body.items.map(({ title }: any) => title)).toEqual(["one"]);
    expect(second.body.nextCursor).toBeNull();
    const all = await request(app, "GET /api/posts?limit=1");
    expect(all.body.items).toHaveLength(1);
  });

  it("are found by their words", async () => {
    const { id, token } = await register(app);
    for (const title of ["Zebra crossing", "A zebra and a Gnu", "Gnu alone"])
      await write(token, title);
    const found = async (query: string) => {
      const route = `GET /api/posts?authorId=${id}&query=${encodeURIComponent(query)}`;
      const { body } = await request(app, route);
      return body.items.map(({ title }: any) => title);
    };
    expect(await found("zebra")).toEqual(["A zebra and a Gnu", "Zebra crossing"]);
    expect(await found("GNU zebra there")).toEqual(["A zebra and a Gnu"]);
    expect(await found("gnu -zebra")).toEqual(["Gnu alone"]);
    expect(await found('"zebra crossing"')).toEqual(["Zebra crossing"]);
    expect(await found("' | & ! :* <-> \\")).toEqual([]);
  });

  it("refuse a cursor that no list gave", async () => {
    const { status, body } = await request(app, "GET /api/posts?cursor=nonsense");
    expect(status).toBe(422);
    expect(body.data).toEqual([{ field: "cursor", type: "cursor" }]);
  });

  it("are still searched after searches with invalid cursors: each gives its turn back", async () => {
    for (let at = 0; at < 4; at++)
      expect((await request(app, "GET /api/posts?query=gnu&cursor=nonsense")).status).toBe(422);
    expect((await request(app, "GET /api/posts?query=gnu")).status).toBe(200);
  });

  it("are changed and removed by their authors", async () => {
    const { body } = await write(alice.token, "Draft");
    const route = `/api/posts/${body.id}`;
    const changed = await request(app, `PUT ${route}`, {
      token: alice.token,
      body: { title: "Final", body: "Here" },
    });
    expect(changed.body).toMatchObject({ title: "Final", body: "Here", authorId: alice.id });
    expect((await request(app, `DELETE ${route}`, { token: alice.token })).status).toBe(204);
    expect((await request(app, `GET ${route}`)).body.type).toBe("NotFound");
  });

  it("of others are left alone, but by those who moderate", async () => {
    const { body } = await write(alice.token, "Mine");
    const stranger = await register(app);
    const route = `/api/posts/${body.id}`;
    const change = { title: "Yours" };
    for (const [method, sent] of [
      ["PUT", change],
      ["DELETE", undefined],
    ] as const) {
      const answer = await request(app, `${method} ${route}`, {
        token: stranger.token,
        body: sent,
      });
      expect(answer.body.type).toBe("UserNotAuthorized");
    }
    expect((await request(app, `GET ${route}`)).body.title).toBe("Mine");

    const admin = await administrator(app);
    const moderated = await request(app, `PUT ${route}`, { token: admin.token, body: change });
    expect(moderated.body).toMatchObject({ title: "Yours", authorId: alice.id });
  });

  it.each(["authorId", "ownerId", "id", "createdAt"])("take no %s from the body", async (field) => {
    const { status } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Hi", body: "There", [field]: randomUUID() },
    });
    expect(status).toBe(422);
  });

  it("of a user who does not exist are not found", async () => {
    const { status, body } = await request(app, `GET /api/users/${randomUUID()}/posts`);
    expect(status).toBe(404);
    expect(body.type).toBe("NotFound");
  });
});
