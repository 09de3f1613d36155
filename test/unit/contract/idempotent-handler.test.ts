import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { type Context, ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onceForEachKey } from "../../../lib/contract/idempotent-handler.ts";
import { afterCommit } from "../../../lib/database/after-commit.ts";
import { loadConfig } from "../../../lib/config/config.ts";
import { setConfig } from "../../../lib/context/attachment.ts";
import type { AnyTransaction } from "../../../lib/database/any-database.ts";
import { openDatabase } from "../../../lib/database/database.ts";
import { createIdempotencyKeys } from "../../../lib/database/idempotency.ts";

describe("An atomic handler", () => {
  const logged: unknown[][] = [];
  let database: Awaited<ReturnType<typeof openDatabase>>;
  beforeAll(async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "citadel-atomic-"));
    database = await openDatabase({ databaseUrl: undefined, dataDir, onError: () => undefined });
    await sql`create table items (id integer)`.execute(database.db);
  });
  afterAll(() => database?.close());

  const run = (handler: (trx: AnyTransaction) => Promise<unknown>) =>
    onceForEachKey((_ctx, trx) => handler(trx as AnyTransaction), "atomic").call(
      { db: database.db, logger: { warn: (...line: unknown[]) => logged.push(line) } } as never,
      { meta: {} } as Context,
    );
  const count = async () => {
    const { rows } = await sql<{ id: number }>`select id from items`.execute(database.db);
    return rows.length;
  };

  it("without Idempotency-Key runs in a transaction, which is committed with its result", async () => {
    const result = await run(async (trx) => {
      expect(trx.isTransaction).toBe(true);
      await sql`insert into items values (1)`.execute(trx);
      return "stored";
    });
    expect(result).toBe("stored");
    expect(await count()).toBe(1);
  });

  it("shares no response between the subjects of authentication contexts who send the same key", async () => {
    await createIdempotencyKeys(database.db as never);
    const broker = new ServiceBroker({ logger: false });
    setConfig(broker, loadConfig({}, new Map()));
    const service = { name: "notes", broker, db: database.db, logger: broker.logger };
    const ran: string[] = [];
    const send = (sub: string) =>
      onceForEachKey(async () => `of ${sub} ${ran.push(sub)}`, "atomic").call(
        service as never,
        {
          meta: { idempotencyKey: "a-key-of-two" },
          locals: { authContext: { subject: { sub } } },
          params: {},
        } as never,
      );
    expect(await send("alice")).toBe("of alice 1");
    expect(await send("bob")).toBe("of bob 2");
    expect(await send("alice")).toBe("of alice 1");
    expect(ran).toEqual(["alice", "bob"]);
  });

  it("without Idempotency-Key leaves nothing if it fails", async () => {
    const before = await count();
    const failing = run(async (trx) => {
      await sql`insert into items values (2)`.execute(trx);
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    expect(await count()).toBe(before);
  });

  it("is followed by what has to run after the commit, which is logged if it fails", async () => {
    const before = await count();
    const counted: number[] = [];
    const result = await run(async (trx) => {
      afterCommit(trx, async () => void counted.push(await count()));
      afterCommit(trx, () => Promise.reject(new Error("not sent")));
      afterCommit(trx, async () => void counted.push(await count()));
      await sql`insert into items values (3)`.execute(trx);
      expect(counted).toEqual([]);
      return "stored";
    });
    expect(result).toBe("stored");
    expect(counted).toEqual([before + 1, before + 1]);
    expect(logged).toEqual([
      [{ err: new Error("not sent") }, "What had to follow a commit has failed."],
    ]);
  });

  it("is followed by nothing if it fails", async () => {
    let hasRun = false;
    const failing = run(async (trx) => {
      afterCommit(trx, async () => void (hasRun = true));
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    expect(hasRun).toBe(false);
  });

  it("alone can have something run after its commit", async () => {
    await database.db.transaction().execute(async (trx) => {
      expect(() => afterCommit(trx, async () => {})).toThrow("'afterCommit' needs");
    });
  });
});
