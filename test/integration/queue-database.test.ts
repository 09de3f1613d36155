import { describe, expect, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";

describe.skipIf(isMissing)("The queue's access to a database", () => {
  const app = application();

  const open = () =>
    openDatabase({
      databaseUrl: app.env.DATABASE_URL,
      dataDir: app.env.DATA_DIR!,
      onError: () => undefined,
    });

  it("returns the rows of one statement with values", async () => {
    const { queueDb, close } = await open();
    const { rows } = await queueDb.executeSql("select $1::integer + 1 as sum", [1]);
    expect(rows).toEqual([{ sum: 2 }]);
    await close();
  });

  it("returns the rows of all statements of a text", async () => {
    const { queueDb, close } = await open();
    const text = "begin; select 1 as n; set local lock_timeout = 1000; select 2 as n; commit";
    expect((await queueDb.executeSql(text)).rows).toEqual([{ n: 1 }, { n: 2 }]);
    await close();
  });

  it("runs each statement as if the one before had not failed", async () => {
    const { queueDb, close } = await open();
    for (const text of ["begin; select 1 / 0; commit", "select 1 / 0"]) {
      await expect(queueDb.executeSql(text)).rejects.toThrow("division by zero");
      expect((await queueDb.executeSql("select 1 as n")).rows).toEqual([{ n: 1 }]);
    }
    await close();
  });

  it("delivers notifications to all listeners of their channel until they close", async () => {
    const { queueDb, close } = await open();
    const received: string[] = [];
    const listen = (name: string, channel: string) =>
      queueDb.listen(
        channel,
        (payload) => received.push(`${name} ${payload}`),
        () => received.push(`${name} listens`),
      );
    const handles = [
      await listen("first", "jobs"),
      await listen("second", "jobs"),
      await listen("other", "mail"),
    ];
    const notify = (channel: string, payload: string) =>
      queueDb.executeSql("select pg_notify($1, $2)", [channel, payload]);
    const receives = async (...expected: string[]) => {
      await expect.poll(() => received).toEqual(expected);
      received.length = 0;
    };
    await receives("first listens", "second listens", "other listens");
    await notify("jobs", "1");
    await receives("first 1", "second 1");
    await handles[0]!.close();
    await notify("jobs", "2");
    await notify("mail", "3");
    await receives("second 2", "other 3");
    await handles[1]!.close();
    await notify("jobs", "4");
    await notify("mail", "5");
    await receives("other 5");
    await handles[2]!.close();
    await close();
  });
});
