import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IdempotentRequests } from "../../../lib/database/idempotency.ts";
import type PostsService from "../../../services/posts/posts.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { refresh } from "../../helpers/tokens.ts";

describe.skipIf(isMissing)("a request that comes twice", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp();
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());

  const write = (key: string, { title = "Hi", token = alice.token } = {}) =>
    request(app, "POST /api/posts", {
      token,
      body: { title, body: "There" },
      headers: { "idempotency-key": key },
    });

  const countOf = async ({ id }: Person) =>
    (await request(app, `GET /api/posts?authorId=${id}`)).body.items.length;

  it("gets the first answer, and makes nothing more", async () => {
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

  it("is the same request, whatever the order of its fields", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const send = (body: object) =>
      request(app, "POST /api/posts", { token: alice.token, headers, body });
    const first = await send({ title: "Hi", body: "There" });
    expect((await send({ body: "There", title: "Hi" })).body).toEqual(first.body);
  });

  it("gets the first answer also when what it made has changed", async () => {
    const key = randomUUID();
    const { body } = await write(key);
    await request(app, `DELETE /api/posts/${body.id}`, { token: alice.token });
    expect((await write(key)).body).toEqual(body);
  });

  it("is made once, however often it comes at once", async () => {
    const key = randomUUID();
    const before = await countOf(alice);
    const answers = await Promise.all(Array.from({ length: 10 }, () => write(key)));
    expect(await countOf(alice)).toBe(before + 1);
    const made = answers.filter(({ status }) => status === 201);
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
    for (const { status, body } of answers) if (status !== 201) expect(body.type).toBe("Conflict");
  });

  it("is refused if it is another request", async () => {
    const key = randomUUID();
    await write(key);
    const { status, body } = await write(key, { title: "Something else" });
    expect(status).toBe(422);
    expect(body.data).toEqual([{ field: "Idempotency-Key", type: "reused" }]);
  });

  it("is nobody else's", async () => {
    const key = randomUUID();
    const bob = await register(app, "bob");
    const first = await write(key);
    const other = await write(key, { token: bob.token });
    expect(other.status).toBe(201);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it("may be tried again if it failed", async () => {
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

  it("may be tried again also if its handler threw before it returned a promise", async () => {
    const { db, logger } = app.service("posts") as unknown as PostsService;
    const requests = new IdempotentRequests(db as never, "secret", logger);
    const asked = { key: randomUUID(), action: "probe", userId: alice.id, params: {} };
    const failing = requests.once(asked, () => {
      throw new Error("at once");
    });
    await expect(failing).rejects.toThrow("at once");
    expect(await requests.once(asked, async () => "done")).toBe("done");
  });

  /** While `run` runs, no answer can be kept: as if the process died before it. */
  async function withoutAnswers(schema: "posts" | "auth", run: () => Promise<void>) {
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

  it("makes nothing without keeping its answer, where both are in one database", async () => {
    const key = randomUUID();
    const before = await countOf(alice);
    await withoutAnswers("posts", async () => {
      expect((await write(key)).status).not.toBe(201);
    });
    expect(await countOf(alice)).toBe(before);
    const made = await write(key);
    expect(made.status).toBe(201);
    expect((await write(key)).body).toEqual(made.body);
    expect(await countOf(alice)).toBe(before + 1);
  });

  it("makes nothing more elsewhere, if only its answer could not be kept", async () => {
    const { token } = await administrator(app);
    const headers = { "idempotency-key": randomUUID() };
    const body = { name: "once", permissions: ["posts:write"] };
    const make = () => request(app, "POST /api/auth/service-accounts", { token, body, headers });
    await withoutAnswers("auth", async () => {
      expect((await make()).status).toBe(201);
    });
    expect((await make()).body.type).toBe("Conflict");
    const { db } = app.service("auth") as unknown as PostsService;
    // long ago, it counts as broken off: then its name is taken
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

  it("of nobody is the same only if all of it is: a key is shared with nobody else", async () => {
    const [first, other] = [
      await join("1", accountOf("first")),
      await join("1", accountOf("other")),
    ];
    expect([first.status, other.status]).toEqual([201, 201]);
    expect(other.body.user.username).toBe("other");
    expect((await join("1", { ...accountOf("first"), password: "guess work" })).status).toBe(409);
  });

  it("registers once and signs in anew: no token is kept, so no old one is handed out", async () => {
    const key = randomUUID();
    const first = await join(key, accountOf("again"));
    const next = await refresh(app, first.body.refresh_token);
    const repeat = await join(key, accountOf("again"));
    expect(repeat.status).toBe(201);
    expect(repeat.body.user).toEqual(first.body.user);
    // an old refresh token would end the session of the first
    for (const { body } of [repeat, next])
      expect((await refresh(app, body.refresh_token)).status).toBe(200);
    const { db } = app.service("users") as unknown as PostsService;
    const { rows } = await sql<{ answer: string }>`
      select answer from users.idempotency_keys`.execute(db);
    for (const { answer } of rows) expect(answer.length).toBeLessThan(100);
  });

  it("signs nobody in whose password has changed since", async () => {
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

  it("makes one account and one service account", async () => {
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

  it("is not asked for its key before it may ask", async () => {
    const key = randomUUID();
    await write(key);
    const refused = await request(app, "POST /api/posts", {
      body: { title: "Hi", body: "There" },
      headers: { "idempotency-key": key },
    });
    expect(refused.body.type).toBe("AccessTokenRequired");
  });

  it("leaves nothing that can be read without its key", async () => {
    const key = randomUUID();
    await write(key, { title: "A secret title" });
    const { db } = app.service("posts") as unknown as PostsService;
    const { rows } = await sql`select * from posts.idempotency_keys`.execute(db);
    expect(JSON.stringify(rows)).not.toContain(key);
    expect(JSON.stringify(rows)).not.toContain("secret title");
  });

  it.each(["", "with spaces", "x".repeat(256)])(
    "has a key that can be one, not %j",
    async (key) => {
      expect((await write(key)).status).toBe(400);
    },
  );
});
