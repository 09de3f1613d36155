import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../../lib/database/database.ts";

interface Tables {
  items: { id: number };
}

describe("The queue's access to the embedded database", () => {
  let database: Awaited<ReturnType<typeof openDatabase>>;
  let db: Kysely<Tables>;

  beforeAll(async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "citadel-queue-"));
    database = await openDatabase({
      databaseUrl: undefined,
      dataDir,
      onError: (error) => {
        throw error;
      },
    });
    db = database.db;
    await sql`create table items (id integer primary key)`.execute(db);
  });
  beforeEach(async () => {
    await db.deleteFrom("items").execute();
  });
  afterAll(() => database?.close());

  const insert = (target: Kysely<Tables>, id: number) =>
    target.insertInto("items").values({ id }).execute();
  const insertInQueue = (id: number) =>
    database.queueDb.executeSql("insert into items values ($1)", [id]);
  const ids = async () => (await db.selectFrom("items").select("id").execute()).map(({ id }) => id);

  it("takes no part in an open transaction of a service", async () => {
    let waiting: Promise<unknown> | undefined;
    const transaction = db.transaction().execute(async (trx) => {
      await insert(trx, 1);
      waiting = insertInQueue(2);
      await insert(trx, 3);
      throw new Error("half-way");
    });
    await expect(transaction).rejects.toThrow("half-way");
    await waiting;
    expect(await ids()).toEqual([2]);
  });

  it("leaves no failed transaction to the service that comes next", async () => {
    await insert(db, 1);
    const block = "begin; insert into items values (2); insert into items values (1); commit";
    const results = await Promise.allSettled([
      database.queueDb.executeSql(block),
      db.transaction().execute((trx) => insert(trx, 3)),
      insert(db, 4),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(await ids()).toEqual([1, 3, 4]);
  });

  it("commits a text with its own transaction", async () => {
    await database.queueDb.executeSql("begin; insert into items values (1); commit");
    await expect(insertInQueue(1)).rejects.toThrow("duplicate key");
    expect(await ids()).toEqual([1]);
  });

  it("is notified once a service's transaction is committed", async () => {
    const received: string[] = [];
    const { close } = await database.queueDb.listen(
      "jobs",
      (payload) => received.push(payload),
      () => received.push("listening"),
    );
    await db.transaction().execute(async (trx) => {
      await sql`select pg_notify('jobs', 'one')`.execute(trx);
      expect(received).toEqual(["listening"]);
    });
    await expect.poll(() => received).toEqual(["listening", "one"]);
    await close();
    await sql`select pg_notify('jobs', 'two')`.execute(db);
    expect(received).toEqual(["listening", "one"]);
  });
});
