import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { type Context, type Service, ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineContract } from "../../lib/contract/contract.ts";
import { implement } from "../../lib/contract/implement.ts";
import type { AnyDatabase } from "../../lib/database/any-database.ts";
import { openDatabase } from "../../lib/database/database.ts";
import { ActionLimits } from "../../lib/limits/action-limits.ts";
import { createLimitCounters } from "../../lib/limits/counter-table.ts";

const LIMIT = { counts: "notes", max: 2, seconds: 600 } as const;

const contract = defineContract({
  name: "notes",
  limits: { creation: { ...LIMIT, per: "address" }, unnamed: { ...LIMIT, per: "user" } },
  actions: {
    create: {
      description: "",
      restricted: null,
      auth: "none",
      limit: "creation",
      params: { text: "string|min:1" },
      result: "string",
    },
  },
});

/** A call of a user from an address. */
const callBy = (sub: string, { sid = "s", address = "192.0.2.1" } = {}) =>
  ({ locals: { user: { sub, sid } }, meta: { client: { address } } }) as unknown as Context;

const refusal = { type: "TooManyRequests", code: 429 };

describe("An action with a limit", () => {
  const broker = new ServiceBroker({ logger: false });
  const created: string[] = [];
  const create = (text: string, address: string) =>
    broker.call("notes.create", { text }, { meta: { client: { address } } });

  beforeAll(async () => {
    const handlers = {
      create: async (ctx: { params: { text: string } }) => {
        created.push(ctx.params.text);
        return ctx.params.text;
      },
    };
    broker.createService(implement(contract, { actions: handlers }));
    await broker.start();
  });
  afterAll(() => broker.stop());

  it("runs up to its limit, and then no handler for the rest of the window", async () => {
    await expect(create("", "192.0.2.1")).rejects.toMatchObject({ type: "VALIDATION_ERROR" });
    expect(await create("one", "192.0.2.1")).toBe("one");
    expect(await create("two", "192.0.2.1")).toBe("two");
    await expect(create("three", "192.0.2.1")).rejects.toMatchObject({
      ...refusal,
      data: { retryAfter: expect.any(Number) },
    });
    expect(created).toEqual(["one", "two"]);
    expect(await create("four", "192.0.2.2")).toBe("four");
  });
});

describe("A limit in the service's database", () => {
  let db: AnyDatabase;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "citadel-limits-"));
    ({ db, close } = await openDatabase({ dataDir, databaseUrl: undefined, onError: () => {} }));
    await sql`create schema notes`.execute(db);
  }, 60_000);
  afterAll(() => close?.());

  /** The limits of one node. */
  const nodeWith = async (
    per: "user" | "session" | "address" | "application",
    store: Pick<AnyDatabase, "executeQuery"> = db,
  ) => {
    const limits = new ActionLimits({ [`creation-${per}`]: { ...LIMIT, per } });
    const { started } = limits.mixin() as { started: (this: unknown) => Promise<void> };
    await started.call({ name: "notes", db: store } as unknown as Service);
    return (ctx: Context) => limits.count(`creation-${per}`, ctx);
  };

  it("keeps the service from starting without its table", async () => {
    await expect(nodeWith("user")).rejects.toThrow("has no table for its limits");
    await createLimitCounters(db.withSchema("notes") as never);
    await expect(nodeWith("user")).resolves.toBeTypeOf("function");
  });

  it.each([
    ["user", callBy("alice"), callBy("alice", { sid: "t", address: "192.0.2.9" }), callBy("bob")],
    [
      "session",
      callBy("alice"),
      callBy("alice", { address: "192.0.2.9" }),
      callBy("alice", { sid: "t" }),
    ],
    ["address", callBy("alice"), callBy("bob"), callBy("alice", { address: "192.0.2.9" })],
  ] as const)("counts by %s, for all nodes together", async (per, one, same, other) => {
    const [first, second] = [await nodeWith(per), await nodeWith(per)];
    await first(one);
    await second(same);
    await expect(first(one)).rejects.toMatchObject(refusal);
    await expect(second(same)).rejects.toMatchObject(refusal);
    await first(other);
  });

  it.each(["user", "address"] as const)(
    "by %s refuses every call while the database is unreachable",
    async (per) => {
      let isReachable = true;
      const store = new Proxy(db, {
        get(target, name) {
          if (name === "executeQuery" && !isReachable)
            return () => Promise.reject(new Error("Connection terminated"));
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      const count = await nodeWith(per, store);
      const ctx = callBy("carol", { address: "192.0.2.77" });
      isReachable = false;
      for (let times = 0; times < 4; times += 1)
        await expect(count(ctx)).rejects.toThrow("Connection terminated");
      isReachable = true;
      await count(ctx);
    },
  );

  it("counts one of many calls that arrive at once for each place that is left", async () => {
    const [first, second] = [await nodeWith("application"), await nodeWith("application")];
    const calls = Array.from({ length: 20 }, (_, at) =>
      (at % 2 ? first : second)(callBy(`u${at}`)),
    );
    const settled = await Promise.allSettled(calls);
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
  });
});
