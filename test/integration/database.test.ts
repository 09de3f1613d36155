import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { migrate } from "../../mixins/database.ts";
import AuthService from "../../services/auth/auth.service.ts";
import ChatService from "../../services/chat/chat.service.ts";
import PostsService from "../../services/posts/posts.service.ts";
import UsersService from "../../services/users/users.service.ts";
import { application } from "../fixtures/application.ts";
import { isMissing, topology } from "../helpers/app.ts";
import { request } from "../helpers/http.ts";

/** The tables of a service's queue. */
const PG_BOSS = [
  "bam",
  "instance",
  "job",
  "job_common",
  "job_dependency",
  "queue",
  "schedule",
  "subscription",
  "version",
  "warning",
];

describe.skipIf(isMissing)("The database", () => {
  const app = application({});

  it("has a schema for each service, and no table outside of these", async () => {
    const { rows } = await sql<{ name: string }>`
      select table_schema || '.' || table_name as name
      from information_schema.tables
      where table_schema in ('users', 'auth', 'guard', 'posts', 'chat', 'public')
        and table_name not like 'migrations%'
        and table_name not in (${sql.join(PG_BOSS)})
        and table_name not like 'queue_stats%'
      order by name
    `.execute(app.instance(UsersService).db);
    expect(rows.map(({ name }) => name)).toEqual([
      "auth.idempotency_keys",
      "auth.inbox",
      "auth.limit_counters",
      "auth.refresh_tokens",
      "auth.service_accounts",
      "auth.sessions",
      "auth.signing_keys",
      "chat.blocks",
      "chat.changes",
      "chat.gateways",
      "chat.inbox",
      "chat.limit_counters",
      "chat.members",
      "chat.messages",
      "chat.presence",
      "chat.read_cursors",
      "chat.rooms",
      "guard.audit_log",
      "guard.credentials",
      "posts.idempotency_keys",
      "posts.posts",
      "users.accounts",
      "users.hashing_cost",
      "users.idempotency_keys",
      "users.known_addresses",
      "users.links",
      "users.login_limits",
      "users.recovery_codes",
      "users.roles",
      "users.second_factors",
    ]);
  });

  it("stores hashes of passwords and refresh tokens only", async () => {
    const alice = await app.register("alice");
    const users = app.instance(UsersService).db;
    const account = await users
      .selectFrom("accounts")
      .selectAll()
      .where("id", "=", alice.id)
      .executeTakeFirstOrThrow();
    expect(account.password_hash).toMatch(/^\$2[aby]\$/);
    const auth = app.instance(AuthService).db;
    const hashes = await auth.selectFrom("refresh_tokens").select("hash").execute();
    expect(hashes.map(({ hash }) => hash)).not.toContain(alice.refreshToken);
  });

  it("applies each migration once if several nodes start at the same time", async () => {
    const { db } = app.instance(PostsService);
    const schema = `copy_${randomUUID().replaceAll("-", "")}`;
    const folder = new URL("../../services/posts/migrations", import.meta.url).pathname;
    const applied = await Promise.all(
      Array.from({ length: 4 }, () => migrate(db.withoutPlugins() as never, schema, folder)),
    );
    expect(applied.flat()).toEqual([
      "0001-posts",
      "0002-idempotency-keys",
      "0003-version-and-search",
      "0004-stored-search",
    ]);
  });

  it("rolls back every statement of a failed transaction", async () => {
    const { db } = app.instance(ChatService);
    const before = await db.selectFrom("rooms").selectAll().execute();
    const failing = db.transaction().execute(async (trx) => {
      await trx.updateTable("rooms").set({ seq: 1_000 }).execute();
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    expect(await db.selectFrom("rooms").selectAll().execute()).toEqual(before);
  });

  const onPostgres = topology === "postgres" ? it : () => {};

  onPostgres(
    "stops the start with an error that says what to do if it does not exist",
    async () => {
      const databaseUrl = app.env.DATABASE_URL!.replace(/[^/]+$/, "missing");
      const { db, close } = await openDatabase({ databaseUrl, dataDir: "", onError: () => {} });
      await expect(migrate(db, "posts", "")).rejects.toThrow(/does not exist.*createdb/);
      await close();
    },
  );

  onPostgres("can close its connections, and the next requests succeed or answer 503", async () => {
    const client = new Client({ connectionString: app.env.DATABASE_URL! });
    await client.connect();
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    await client.end();
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => request(app, "GET /api/posts")),
    );
    // a service identity may have been due, while the guard's database was unavailable as well
    const types = ["DatabaseNotAccessible", "GuardNotAccessible"];
    for (const { status, body } of responses.filter((response) => response.status !== 200)) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 503 });
      expect(types).toContain(body.type);
    }
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(200);
  });

  onPostgres("can close a connection within a transaction, which fails alone", async () => {
    const { db } = app.instance(PostsService);
    const client = new Client({ connectionString: app.env.DATABASE_URL! });
    await client.connect();
    const transaction = db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
      await client.query("select pg_terminate_backend($1, 5000)", [rows[0]!.pid]);
      // until the connection has noticed
      await new Promise((resolve) => setImmediate(resolve));
      await sql`select 1`.execute(trx);
    });
    await expect(transaction).rejects.toThrow(/terminat|not queryable|Connection/);
    await client.end();
    expect((await request(app, "GET /api/posts")).status).toBe(200);
  });
});
