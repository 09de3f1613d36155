import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";

describe.skipIf(isMissing)("Posts", () => {
  const app = application();
  let alice: User;

  beforeAll(async () => {
    alice = await app.register("alice");
  });

  const write = (author: User, title: string) =>
    author.request("POST /api/posts", { body: { title, body: "There" } });

  const titlesOf = ({ items }: { items: { title: string }[] }) => items.map(({ title }) => title);

  it("are created by a user and read without a token", async () => {
    const created = await write(alice, "Hi");
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`/api/posts/${created.body.id}`);
    expect(created.body).toEqual({
      id: expect.any(String),
      authorId: alice.id,
      title: "Hi",
      body: "There",
      createdAt: expect.any(String),
      updatedAt: created.body.createdAt,
      version: 1,
    });
    const read = await app.request("GET /api/posts/:id", { path: { id: created.body.id } });
    expect(read.body).toEqual(created.body);
  });

  it("are listed newest first, page by page, while more are created", async () => {
    const author = await app.register();
    for (const title of ["one", "two", "three"]) await write(author, title);
    const page = async (cursor?: string) =>
      (
        await app.request("GET /api/users/:id/posts", {
          path: { id: author.id },
          query: { limit: 2, ...(cursor !== undefined && { cursor }) },
        })
      ).body;
    const first = await page();
    expect(titlesOf(first)).toEqual(["three", "two"]);
    await write(author, "four");
    const second = await page(first.nextCursor ?? undefined);
    expect(titlesOf(second)).toEqual(["one"]);
    expect(second.nextCursor).toBeNull();
    const all = await app.request("GET /api/posts", { query: { limit: 1 } });
    expect(all.body.items).toHaveLength(1);
  });

  it("are found by the words in their title and body", async () => {
    const author = await app.register();
    for (const title of ["Zebra crossing", "A zebra and a Gnu", "Gnu alone"])
      await write(author, title);
    const found = async (query: string) =>
      titlesOf(
        (await app.request("GET /api/posts", { query: { authorId: author.id, query } })).body,
      );
    expect(await found("zebra")).toEqual(["A zebra and a Gnu", "Zebra crossing"]);
    expect(await found("GNU zebra there")).toEqual(["A zebra and a Gnu"]);
    expect(await found("gnu -zebra")).toEqual(["Gnu alone"]);
    expect(await found('"zebra crossing"')).toEqual(["Zebra crossing"]);
    expect(await found("' | & ! :* <-> \\")).toEqual([]);
  });

  it.each([
    "nonsense",
    "2026-01-01T00:00:00.000Z 965a8b1b",
    `2026-01-01T00:00:00.000Z ${"-".repeat(36)}`,
    "+275760-01-01T00:00:00.000Z 965a8b1b-0f3e-4c55-8a4e-6b3f4a3f9d20",
    "0000-01-01T00:00:00.000Z 965a8b1b-0f3e-4c55-8a4e-6b3f4a3f9d20",
  ])("are not listed for a cursor of '%s', which no list returned", async (text) => {
    const cursor = Buffer.from(text).toString("base64url");
    const { status, body } = await app.refusal("GET /api/posts", { query: { cursor } });
    expect(status).toBe(422);
    expect(body.data).toEqual([{ field: "cursor", type: "cursor" }]);
  });

  it("are still found after several searches with invalid cursors", async () => {
    const query = { query: "gnu", cursor: "nonsense" };
    for (let attempt = 0; attempt < 4; attempt++)
      expect((await app.refusal("GET /api/posts", { query })).status).toBe(422);
    expect((await app.request("GET /api/posts", { query: { query: "gnu" } })).status).toBe(200);
  });

  it("are changed and removed by their author", async () => {
    const path = { id: (await write(alice, "Draft")).body.id };
    const body = { title: "Final", body: "Here" };
    const changed = await alice.request("PUT /api/posts/:id", { path, body });
    expect(changed.body).toMatchObject({ ...body, authorId: alice.id });
    expect((await alice.request("DELETE /api/posts/:id", { path })).status).toBe(204);
    expect((await app.refusal("GET /api/posts/:id", { path })).body.type).toBe("NotFound");
  });

  it("are changed and removed by a moderator, and by no other user", async () => {
    const path = { id: (await write(alice, "Mine")).body.id };
    const body = { title: "Yours" };
    const stranger = await app.register();
    const refusals = [
      await stranger.refusal("PUT /api/posts/:id", { path, body }),
      await stranger.refusal("DELETE /api/posts/:id", { path }),
    ];
    for (const refusal of refusals) expect(refusal.body.type).toBe("UserNotAuthorized");
    const unchanged = await app.request("GET /api/posts/:id", { path });
    expect(unchanged.body.title).toBe("Mine");

    const admin = await app.administrator();
    const changed = await admin.request("PUT /api/posts/:id", { path, body });
    expect(changed.body).toMatchObject({ title: "Yours", authorId: alice.id });
    expect((await admin.request("DELETE /api/posts/:id", { path })).status).toBe(204);
  });

  it.each(["authorId", "ownerId", "id", "createdAt"])(
    "are refused if the request body sets %s",
    async (field) => {
      const body = { title: "Hi", body: "There", [field]: randomUUID() };
      expect((await alice.refusal("POST /api/posts", { body })).status).toBe(422);
    },
  );

  it("are not listed for a user who does not exist", async () => {
    const path = { id: randomUUID() };
    const { status, body } = await app.refusal("GET /api/users/:id/posts", { path });
    expect(status).toBe(404);
    expect(body.type).toBe("NotFound");
  });
});
