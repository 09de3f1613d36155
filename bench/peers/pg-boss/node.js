import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
import { fromKysely, PgBoss } from "pg-boss";
import { emitAll, Receiver } from "../../events/load.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// Jobs that are sent in a transaction and handled in another process. Tuned: batches, notifications, and several workers.

const QUEUE = "sold";
const BATCH = 50;
const { role, databaseUrl } = settings;

const db = new Kysely({
  dialect: new PostgresDialect({ pool: new Pool({ connectionString: databaseUrl, max: 10 }) }),
});
const boss = new PgBoss({ connectionString: databaseUrl, useListenNotify: true });
const receiver = new Receiver();

const send = ({ customer, text }) =>
  db.transaction().execute(async (trx) => {
    await sql`insert into boss_sales (customer) values (${customer})`.execute(trx);
    await boss.send(QUEUE, { customer, text }, { db: fromKysely(trx) });
  });

const handleAll = async (jobs) => {
  await Promise.all(
    jobs.map(({ data }) =>
      sql`insert into boss_entries (customer) values (${data.customer})`.execute(db),
    ),
  );
  for (const { data } of jobs) receiver.handle(data);
};

runChild({
  async started() {
    await boss.start();
    await boss.createQueue(QUEUE, { notify: true });
    if (role !== "subscriber") return;
    await boss.work(
      QUEUE,
      { batchSize: BATCH, localConcurrency: 4, pollingIntervalSeconds: 0.5 },
      handleAll,
    );
  },
  respond: (request) =>
    "expect" in request ? receiver.expect(request.expect) : emitAll(request, send),
  stop: () => boss.stop({ graceful: false }),
});
