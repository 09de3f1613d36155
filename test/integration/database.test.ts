import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";

describe.skipIf(isMissing)("the database", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp();
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());

  it("has a schema for each service, and no tables elsewhere", async () => {
    const db: any = (app.service("users") as any).db;
    const tables = await db
      .withoutPlugins()
      .selectFrom("information_schema.tables")
      .select(["table_schema", "table_name"])
      .where("table_schema", "in", ["users", "auth", "guard", "posts", "chat", "public"])
      .where("table_name", "not like", "migrations%")
      .orderBy("table_schema")
      .orderBy("table_name")
      .execute();
    expect(tables.map((row: any) => `${row.table_schema}.${row.table_name}`)).toEqual([
      "auth.idempotency_keys",
      "auth.limit_counters",
      "auth.refresh_tokens",
      "auth.service_accounts",
      "auth.sessions",
      "auth.signing_keys",
      "chat.messages",
      "chat.rooms",
      "guard.audit_log",
      "guard.credentials",
      "posts.idempotency_keys",
      "posts.posts",
      "users.accounts",
      "users.idempotency_keys",
      "users.known_addresses",
      "users.links",
      "users.login_limits",
      "users.recovery_codes",
      "users.second_factors",
    ]);
  });

  it("stores no password and no refresh token in plain text", async () => {
    const { db: users }: any = app.service("users");
    const account = await users
      .selectFrom("accounts")
      .selectAll()
      .where("id", "=", alice.id)
      .executeTakeFirst();
    expect(account.password_hash).toMatch(/^\$2[aby]\$/);
    const { db: auth }: any = app.service("auth");
    const hashes = await auth.selectFrom("refresh_tokens").select("hash").execute();
    expect(hashes.map(({ hash }: any) => hash)).not.toContain(alice.refreshToken);
  });

  it("applies each migration once if several nodes migrate at the same time", async () => {
    const { migrate } = await import("../../mixins/database.ts");
    const { db }: any = app.service("posts");
    const schema = `copy_${randomUUID().replaceAll("-", "")}`;
    const folder = new URL("../../services/posts/migrations", import.meta.url).pathname;
    const applied = await Promise.all(
      Array.from({ length: 4 }, () => migrate(db.withoutPlugins(), schema, folder)),
    );
    expect(applied.flat()).toEqual([
      "0001-posts",
      "0002-idempotency-keys",
      "0003-version-and-search",
      "0004-stored-search",
    ]);
  });

  it("rolls back a failed transaction completely", async () => {
    const { db }: any = app.service("chat");
    const before = await db.selectFrom("rooms").selectAll().execute();
    const failing = db.transaction().execute(async (trx: any) => {
      await trx.updateTable("rooms").set({ seq: 1_000 }).execute();
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    expect(await db.selectFrom("rooms").selectAll().execute()).toEqual(before);
  });

  const onPostgres = topology === "postgres" ? it : () => {};

  onPostgres("causes an error that says what to do if it does not exist", async () => {
    const { openDatabase } = await import("../../lib/database/database.ts");
    const { migrate } = await import("../../mixins/database.ts");
    const databaseUrl = app.env.DATABASE_URL!.replace(/[^/]+$/, "missing");
    const { db, close } = await openDatabase({ databaseUrl, dataDir: "", onError: () => {} });
    await expect(migrate(db, "posts", "")).rejects.toThrow(/does not exist.*createdb/);
    await close();
  });

  onPostgres(
    "may close its connections: requests answer 503 at most, and the next ones succeed",
    async () => {
      const client = new Client({ connectionString: app.env.DATABASE_URL! });
      await client.connect();
      await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
      );
      await client.end();
      const responses = await Promise.all(
        Array.from({ length: 20 }, () => request(app, "GET /api/posts")),
      );
      // an identity token may have been due for renewal, and the guard's database was unreachable as well
      const types = ["DatabaseNotAccessible", "GuardNotAccessible"];
      for (const { status, body } of responses.filter((one) => one.status !== 200)) {
        expect({ status, code: body.code }).toEqual({ status: 503, code: 503 });
        expect(types).toContain(body.type);
      }
      await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(200);
    },
  );

  onPostgres(
    "may close a connection during a transaction: only that transaction fails",
    async () => {
      const { db }: any = app.service("posts");
      const client = new Client({ connectionString: app.env.DATABASE_URL! });
      await client.connect();
      const transaction = db.transaction().execute(async (trx: any) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
        await client.query("select pg_terminate_backend($1, 5000)", [rows[0]!.pid]);
        // until the connection has noticed
        await new Promise((resolve) => setImmediate(resolve));
        await sql`select 1`.execute(trx);
      });
      await expect(transaction).rejects.toThrow(/terminat|not queryable|Connection/);
      await client.end();
      expect((await request(app, "GET /api/posts")).status).toBe(200);
    },
  );
});
