import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import { IdempotentRequests } from "../../../lib/database/idempotency.ts";
import type PostsService from "../../../services/posts/posts.service.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { refresh } from "../../helpers/tokens.ts";

describe.skipIf(isMissing)("A repeated request", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
  });

  const write = (key: string, { title = "Hi", token = alice.token } = {}) =>
    request(app, "POST /api/posts", {
      token,
      body: { title, body: "There" },
      headers: { "idempotency-key": key },
    });

  const countOf = async ({ id }: Person) =>
    (await request(app, `GET /api/posts?authorId=${id}`)).body.items.length;

  it("gets the first response and creates nothing", async () => {
    const key = randomUUID();
    const before = await countOf(alice);
    const first = await write(key);
    const second = await write(key);
    const quoted = await write(`"${key}"`);
    expect(first.status).toBe(201);
    for (const repeat of [second, quoted]) {
      expect(repeat.status).toBe(201);
      expect(repeat.body).toEqual(first.body);
      expect(repeat.headers.get("location")).toBe(first.headers.get("location"));
    }
    expect(await countOf(alice)).toBe(before + 1);
  });

  it("may have its fields in another order", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const send = (body: object) =>
      request(app, "POST /api/posts", { token: alice.token, headers, body });
    const first = await send({ title: "Hi", body: "There" });
    expect((await send({ body: "There", title: "Hi" })).body).toEqual(first.body);
  });

  it("gets the first response even if the resource has changed", async () => {
    const key = randomUUID();
    const { body } = await write(key);
    await request(app, `DELETE /api/posts/${body.id}`, { token: alice.token });
    expect((await write(key)).body).toEqual(body);
  });

  it("takes effect once if it is sent ten times at once", async () => {
    const key = randomUUID();
    const before = await countOf(alice);
    const responses = await Promise.all(Array.from({ length: 10 }, () => write(key)));
    expect(await countOf(alice)).toBe(before + 1);
    const created = responses.filter(({ status }) => status === 201);
    expect(new Set(created.map(({ body }) => body.id)).size).toBe(1);
    for (const { status, body } of responses)
      if (status !== 201) expect(body.type).toBe("Conflict");
  });

  it("is refused if its parameters differ", async () => {
    const key = randomUUID();
    await write(key);
    const { status, body } = await write(key, { title: "Something else" });
    expect(status).toBe(422);
    expect(body.data).toEqual([{ field: "Idempotency-Key", type: "reused" }]);
  });

  it("does not collide with the same key of another user", async () => {
    const key = randomUUID();
    const bob = await register(app, "bob");
    const first = await write(key);
    const other = await write(key, { token: bob.token });
    expect(other.status).toBe(201);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it("runs again if the first one failed", async () => {
    const key = randomUUID();
    const { db } = app.service("posts") as unknown as PostsService;
    await sql`alter table posts.posts rename to hidden`.execute(db);
    try {
      expect((await write(key)).status).toBe(500);
    } finally {
      await sql`alter table posts.hidden rename to posts`.execute(db);
    }
    expect((await write(key)).status).toBe(201);
  });

  it("runs again if the handler of the first one threw synchronously", async () => {
    const { db, logger } = app.service("posts") as unknown as PostsService;
    const requests = new IdempotentRequests(db, "secret", logger);
    const asked = { key: randomUUID(), action: "probe", userId: alice.id, params: {} };
    const failing = requests.once(asked, () => {
      throw new Error("at once");
    });
    await expect(failing).rejects.toThrow("at once");
    expect(await requests.once(asked, async () => "done")).toBe("done");
  });

  /** Makes storing responses fail while `run` runs, as if the process had crashed before. */
  async function withoutStoredResponses(schema: "posts" | "auth", run: () => Promise<void>) {
    const { db } = app.service(schema) as unknown as PostsService;
    const table = sql.table(`${schema}.idempotency_keys`);
    await sql`alter table ${table} add constraint lost check (answer is null) not valid`.execute(
      db,
    );
    try {
      await run();
    } finally {
      await sql`alter table ${table} drop constraint lost`.execute(db);
    }
  }

  it("runs again if the first response could not be stored in its transaction", async () => {
    const key = randomUUID();
    const before = await countOf(alice);
    await withoutStoredResponses("posts", async () => {
      expect((await write(key)).status).not.toBe(201);
    });
    expect(await countOf(alice)).toBe(before);
    const made = await write(key);
    expect(made.status).toBe(201);
    expect((await write(key)).body).toEqual(made.body);
    expect(await countOf(alice)).toBe(before + 1);
  });

  it("creates no second service account if only the response could not be stored", async () => {
    const { token } = await administrator(app);
    const headers = { "idempotency-key": randomUUID() };
    const body = { name: "once", permissions: ["posts:write"] };
    const make = () => request(app, "POST /api/auth/service-accounts", { token, body, headers });
    await withoutStoredResponses("auth", async () => {
      expect((await make()).status).toBe(201);
    });
    expect((await make()).body.type).toBe("Conflict");
    const { db } = app.service("auth") as unknown as PostsService;
    // after a minute the action runs again and finds that the name exists
    await sql`update auth.idempotency_keys set created_at = now() - interval '2 minutes'`.execute(
      db,
    );
    expect((await make()).body.type).toBe("Conflict");
    const all = await request(app, "GET /api/auth/service-accounts", { token });
    expect(all.body.items.filter(({ name }: any) => name === "once")).toHaveLength(1);
  });

  const accountOf = (username: string) => ({
    username,
    email: `${username}@example.com`,
    password: PASSWORD,
  });

  const join = (key: string, body: object) =>
    request(app, "POST /api/auth/register", { body, headers: { "idempotency-key": key } });

  it("without a token must be equal as a whole, so other clients may use the same key", async () => {
    const [first, other] = [
      await join("1", accountOf("first")),
      await join("1", accountOf("other")),
    ];
    expect([first.status, other.status]).toEqual([201, 201]);
    expect(other.body.user.username).toBe("other");
    expect((await join("1", { ...accountOf("first"), password: "guess work" })).status).toBe(409);
  });

  it("registers once and then signs in, since no token is stored", async () => {
    const key = randomUUID();
    const first = await join(key, accountOf("again"));
    const next = await refresh(app, first.body.refresh_token);
    const repeat = await join(key, accountOf("again"));
    expect(repeat.status).toBe(201);
    expect(repeat.body.user).toEqual(first.body.user);
    // using an old refresh token would end the first session
    for (const { body } of [repeat, next])
      expect((await refresh(app, body.refresh_token)).status).toBe(200);
    const { db } = app.service("users") as unknown as PostsService;
    const { rows } = await sql<{ answer: string }>`
      select answer from users.idempotency_keys`.execute(db);
    for (const { answer } of rows) expect(answer.length).toBeLessThan(100);
  });

  it("of a registration answers 401 if the password has changed", async () => {
    const key = randomUUID();
    const { body } = await join(key, accountOf("changed"));
    const changed = await request(app, "POST /api/auth/password", {
      token: body.access_token,
      body: { currentPassword: PASSWORD, newPassword: "a lighthouse in the fog" },
    });
    expect(changed.status).toBe(204);
    const repeat = await join(key, accountOf("changed"));
    expect([repeat.status, repeat.body.type]).toEqual([401, "InvalidCredentials"]);
    const { token } = await login(app, "changed", "a lighthouse in the fog");
    const sessions = await request(app, "GET /api/auth/sessions", { token });
    expect(sessions.body.items.filter(({ current }: any) => !current)).toHaveLength(1);
  });

  it("creates one account and one service account", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const account = accountOf("twice");
    const { token } = await administrator(app);
    for (const [route, body] of [
      ["POST /api/users", { ...account, username: "thrice", email: "thrice@example.com" }],
      ["POST /api/auth/service-accounts", { name: "robot", permissions: ["posts:write"] }],
    ] as const) {
      const make = () => request(app, route, { token, body, headers });
      const [made, again] = [await make(), await make()];
      expect(made.status).toBe(201);
      expect(again.body).toEqual(made.body);
    }
  });

  it("is checked for permissions before its key", async () => {
    const key = randomUUID();
    await write(key);
    const refused = await request(app, "POST /api/posts", {
      body: { title: "Hi", body: "There" },
      headers: { "idempotency-key": key },
    });
    expect(refused.body.type).toBe("AccessTokenRequired");
  });

  it("leaves no stored text that can be read without its key", async () => {
    const key = randomUUID();
    await write(key, { title: "A secret title" });
    const { db } = app.service("posts") as unknown as PostsService;
    const { rows } = await sql`select * from posts.idempotency_keys`.execute(db);
    expect(JSON.stringify(rows)).not.toContain(key);
    expect(JSON.stringify(rows)).not.toContain("secret title");
  });

  it.each(["", "with spaces", "x".repeat(256)])(
    "is refused with the malformed key %j",
    async (key) => {
      expect((await write(key)).status).toBe(400);
    },
  );
});
