import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Cable, layCable } from "../helpers/cable.ts";
import { type Person, register, request } from "../helpers/http.ts";
import { runOn, urlOf } from "../helpers/templates.ts";

describe.skipIf(isMissing)("a connection to PostgreSQL", () => {
  const name = `citadel_database_${process.pid}`;
  let server: string;
  let cable: Cable;
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    server = inject("databaseUrl")!;
    await runOn(server, `create database ${name} template ${inject("serverTemplate")}`);
    cable = await layCable(Number(new URL(server).port || 5432));
    const url = new URL(urlOf(server, name));
    url.host = `127.0.0.1:${cable.port}`;
    app = await startApp({ DATABASE_URL: url.toString() });
    alice = await register(app, "alice");
  });
  afterAll(async () => {
    await app?.stop();
    await cable?.close();
    await runOn(server, `drop database if exists ${name} with (force)`);
  });

  /** Opens connections that do not go through the cable. */
  const open = async (withoutTimeouts = false) => {
    const { db, close } = await openDatabase({
      databaseUrl: urlOf(server, name),
      dataDir: "",
      onError: () => undefined,
      withoutTimeouts,
    });
    return { db: db as unknown as Kysely<any>, close };
  };

  const write = (title: string) =>
    request(app, "POST /api/posts", { token: alice.token, body: { title, body: "There" } });
  const titles = async () =>
    (await request(app, "GET /api/posts")).body.items.map(({ title }: any) => title);

  it("writes again as soon as a read-only server accepts writes", async () => {
    await runOn(server, `alter database ${name} set default_transaction_read_only = on`);
    const { db, close } = await open();
    const insert = () => sql`create table only_once ()`.execute(db);
    const inTransaction = () =>
      db.transaction().execute((trx) => sql`create table in_transaction ()`.execute(trx));
    try {
      await expect(insert()).rejects.toMatchObject({ code: "25006" });
      await expect(inTransaction()).rejects.toMatchObject({ code: "25006" });
      await runOn(server, `alter database ${name} reset default_transaction_read_only`);
      // the refused statements left nothing behind
      await insert();
      await inTransaction();
    } finally {
      await runOn(server, `alter database ${name} reset default_transaction_read_only`);
      await close();
    }
  });

  it("fails requests before they time out while the server is unreachable, and works again afterwards", async () => {
    expect((await write("before")).status).toBe(201);
    await titles();
    cable.freeze();
    const began = Date.now();
    const responses = await Promise.all([
      ...Array.from({ length: 12 }, () => write("meanwhile")),
      ...Array.from({ length: 12 }, () => request(app, "GET /api/posts")),
    ]);
    expect(Date.now() - began).toBeLessThan(10_000);
    for (const { status, body } of responses)
      expect([status, body.type]).toEqual([503, "DatabaseNotAccessible"]);
    cable.mend();
    await expect.poll(async () => (await write("after")).status).toBe(201);
    expect(await titles()).toEqual(["after", "before"]);
  });

  it("aborts a query that takes too long, but no migration", async () => {
    const [limited, unlimited] = [await open(), await open(true)];
    const sleep = ({ db }: typeof limited) => sql`select pg_sleep(5.7)`.execute(db);
    const [aborted, done] = await Promise.allSettled([sleep(limited), sleep(unlimited)]);
    expect(aborted).toMatchObject({ status: "rejected", reason: { code: "57014" } });
    expect(done.status).toBe("fulfilled");
    await limited.close();
    await unlimited.close();
  });
});
