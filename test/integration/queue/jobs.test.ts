import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { FinalFailure } from "../../../lib/queue/failure.ts";
import { application } from "../../fixtures/application.ts";
import {
  contracts,
  type Hooks,
  type OrdersService,
  queueServices,
} from "../../fixtures/queue/services.ts";
import { isMissing } from "../../helpers/app.ts";

interface JobRow {
  id: string;
  state: string;
  data: { params: { id: string } };
  output: unknown;
}

describe.skipIf(isMissing)("A job", () => {
  let hooks: Hooks = {};
  beforeEach(() => {
    hooks = {};
  });
  const app = application(
    {},
    { services: queueServices({ pack: async (ctx) => hooks.pack?.(ctx) }), contracts },
  );

  const orders = () => app.service("orders") as OrdersService;

  const send = async (id: string) =>
    orders()
      .db.transaction()
      .execute((trx) => orders().jobs.send(trx, "pack", { id }));

  /** Its row; a job that is done has none. */
  const rowOf = async (id: string) => {
    const { rows } = await sql<JobRow>`
      select id, state, data, output from orders.job where data #>> '{params,id}' = ${id}`.execute(
      orders().db,
    );
    return rows[0];
  };

  it("runs after the commit and leaves no row", async () => {
    const ran: string[] = [];
    hooks.pack = async (ctx) => void ran.push(ctx.params.id);
    const id = randomUUID();
    await send(id);
    await expect.poll(() => ran).toEqual([id]);
    await expect.poll(() => rowOf(id)).toBeUndefined();
  });

  it("does not run if the transaction is rolled back", async () => {
    const ran: string[] = [];
    hooks.pack = async (ctx) => void ran.push(ctx.params.id);
    const attempt = orders()
      .db.transaction()
      .execute(async (trx) => {
        await orders().jobs.send(trx, "pack", { id: "rolled back" });
        throw new Error("No.");
      });
    await expect(attempt).rejects.toThrow("No.");
    await send("committed");
    await expect.poll(() => ran).toEqual(["committed"]);
  });

  it("is retried after a failure, and waits for an operator after the last retry", async () => {
    const attempts: number[] = [];
    hooks.pack = async (ctx) => {
      attempts.push(ctx.job.attempt);
      throw Object.assign(new Error("The password is tiger."), { code: "ECONNREFUSED" });
    };
    const id = randomUUID();
    await send(id);
    await expect.poll(async () => (await rowOf(id))?.state, { timeout: 20_000 }).toBe("failed");
    expect(attempts).toEqual([1, 2, 3]);
    // the message may hold a secret
    expect((await rowOf(id))?.output).toEqual({ type: "Error", code: "ECONNREFUSED" });
  });

  it("that throws a FinalFailure is not retried", async () => {
    let runs = 0;
    hooks.pack = async () => {
      runs += 1;
      throw new FinalFailure("The address does not exist.");
    };
    const id = randomUUID();
    await send(id);
    await expect.poll(async () => (await rowOf(id))?.state).toBe("failed");
    expect(runs).toBe(1);
    expect((await rowOf(id))?.output).toMatchObject({ message: "The address does not exist." });
  });

  it("that takes too long is aborted and retried", async () => {
    const reasons: unknown[] = [];
    hooks.pack = async ({ job }) => {
      if (job.attempt > 1) return;
      await new Promise((_resolve, reject) =>
        job.signal.addEventListener("abort", () => {
          reasons.push(job.signal.reason);
          reject(job.signal.reason as Error);
        }),
      );
    };
    const id = randomUUID();
    await send(id);
    await expect.poll(() => reasons).toHaveLength(1);
    await expect.poll(() => rowOf(id), { timeout: 20_000 }).toBeUndefined();
  });

  it("runs at most as often at the same time as its contract says", async () => {
    let running = 0;
    let most = 0;
    const both = Promise.withResolvers<void>();
    hooks.pack = async () => {
      running += 1;
      most = Math.max(most, running);
      if (running === 2) both.resolve();
      await both.promise;
      running -= 1;
    };
    const ids = Array.from({ length: 20 }, () => randomUUID());
    await Promise.all(ids.map(send));
    await expect.poll(async () => (await Promise.all(ids.map(rowOf))).filter(Boolean)).toEqual([]);
    expect(most).toBe(2);
  });

  it("carries its cause, and never the access token", async () => {
    const causes: unknown[] = [];
    hooks.pack = async (ctx) => void causes.push(ctx.job.cause);
    const user = await app.register();
    const id = randomUUID();
    await app.call("users", "orders.packLater", { id }, user);
    await expect.poll(() => causes).toHaveLength(1);
    expect(causes[0]).toMatchObject({ actor: { id: user.id }, requestId: expect.any(String) });
    expect(JSON.stringify(causes)).not.toContain(user.token.slice(-40));
  });

  it("needs parameters that fit its contract", async () => {
    const { db, jobs } = orders();
    const attempt = db
      .transaction()
      .execute((trx) => jobs.send(trx, "pack", { id: 5, extra: true } as never));
    await expect(attempt).rejects.toThrow("does not fit its contract: id (string), unknown fields");
    await expect(attempt).rejects.not.toBeInstanceOf(CitadelError);
  });
});
