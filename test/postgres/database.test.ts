import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { prepared } from "../../lib/database/prepared.ts";
import type { QueueDatabase } from "../../lib/database/queue/queue-database.ts";
import { startQueue } from "../../lib/database/queue/start-queue.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";
import { request } from "../helpers/http.ts";
import { runOn, urlOf } from "../helpers/templates.ts";

describe.skipIf(isMissing)("A PostgreSQL server that does not serve", () => {
  const name = `citadel_database_${process.pid}`;
  let server: string;
  let proxy: Proxy;

  // runs after the application has stopped: hooks run in the reverse order of their registration
  afterAll(async () => {
    await proxy?.close();
    await runOn(server, `drop database if exists ${name} with (force)`);
  });
  const app = application(async () => {
    server = inject("databaseUrl")!;
    await runOn(server, `create database ${name} template ${inject("serverTemplate")}`);
    proxy = await startProxy(Number(new URL(server).port || 5432));
    const url = new URL(urlOf(server, name));
    url.host = `127.0.0.1:${proxy.port}`;
    return { DATABASE_URL: url.toString() };
  });
  let alice: User;

  beforeAll(async () => {
    alice = await app.register("alice");
  });

  /** Opens connections of the test's own, which bypass the proxy. */
  const options = () => ({
    databaseUrl: urlOf(server, name),
    dataDir: "",
    onError: () => undefined,
  });
  const open = async (withoutTimeouts = false) => {
    const { db, ...rest } = await openDatabase({ ...options(), withoutTimeouts });
    return { db: db as unknown as Kysely<any>, ...rest };
  };

  const write = (title: string) =>
    request(app, "POST /api/posts", { token: alice.token, body: { title, body: "There" } });
  const titles = async () =>
    (await request(app, "GET /api/posts")).body.items.map(({ title }: any) => title);

  it("receives writes again as soon as it stops being read-only", async () => {
    await runOn(server, `alter database ${name} set default_transaction_read_only = on`);
    const { db, close } = await open();
    const insert = () => sql`create table only_once ()`.execute(db);
    const inTransaction = () =>
      db.transaction().execute((trx) => sql`create table in_transaction ()`.execute(trx));
    try {
      await expect(insert()).rejects.toMatchObject({ code: "25006" });
      await expect(inTransaction()).rejects.toMatchObject({ code: "25006" });
      await runOn(server, `alter database ${name} reset default_transaction_read_only`);
      // the refused statements created neither table
      await insert();
      await inTransaction();
    } finally {
      await runOn(server, `alter database ${name} reset default_transaction_read_only`);
      await close();
    }
  });

  it("fails requests with 503 within 10 s while it does not respond, and runs none of them later", async () => {
    expect((await write("before")).status).toBe(201);
    await titles();
    proxy.freeze();
    const began = Date.now();
    const responses = await Promise.all([
      ...Array.from({ length: 12 }, () => write("meanwhile")),
      ...Array.from({ length: 12 }, () => request(app, "GET /api/posts")),
    ]);
    expect(Date.now() - began).toBeLessThan(10_000);
    for (const { status, body } of responses)
      expect([status, body.type]).toEqual([503, "DatabaseNotAccessible"]);
    proxy.restore();
    await expect.poll(async () => (await write("after")).status).toBe(201);
    expect(await titles()).toEqual(["after", "before"]);
  });

  it("plans a prepared statement once for a connection", async () => {
    const { db, close } = await open();
    try {
      await db.connection().execute(async (one) => {
        for (const number of [1, 2, 3, 4, 5, 6, 7])
          await sql`${prepared("test.one")} select ${number}::integer as found`.execute(one);
        const { rows } = await sql<object>`
          select name, generic_plans > 0 as "isPlannedOnce" from pg_prepared_statements
        `.execute(one);
        expect(rows).toEqual([{ name: "test.one", isPlannedOnce: true }]);
      });
    } finally {
      await close();
    }
  });

  it("ends a query after 5 s, but not a migration", async () => {
    const [limited, unlimited] = [await open(), await open(true)];
    const sleep = ({ db }: typeof limited) => sql`select pg_sleep(5.7)`.execute(db);
    const [ended, done] = await Promise.allSettled([sleep(limited), sleep(unlimited)]);
    expect(ended).toMatchObject({ status: "rejected", reason: { code: "57014" } });
    expect(done.status).toBe("fulfilled");
    await limited.close();
    await unlimited.close();
  });

  it("ends a statement of the queue after 5 s, but not while the queue starts", async () => {
    const { queueDb, close } = await open();
    const sleep = (on: QueueDatabase) => on.executeSql("select pg_sleep(5.7)");
    // pg-boss keeps the database that it starts with
    const started = await startQueue(options(), queueDb, async (starting) => {
      await sleep(starting);
      return starting;
    });
    await expect(sleep(started)).rejects.toMatchObject({ code: "57014" });
    await close();
  });
});
