import { Client } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { isMissing } from "../helpers/app.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";
import { runOn, urlOf } from "../helpers/templates.ts";

describe.skipIf(isMissing)("The connection that listens for notifications", () => {
  const name = `citadel_listener_${process.pid}`;
  let server: string;
  let proxy: Proxy;
  let admin: Client;

  beforeAll(async () => {
    server = inject("databaseUrl")!;
    await runOn(server, `create database ${name}`);
    proxy = await startProxy(Number(new URL(server).port || 5432));
    admin = new Client({ connectionString: urlOf(server, name) });
    await admin.connect();
  });
  // the server ends a closed connection a moment later
  afterEach(async () => {
    await expect.poll(listeners).toEqual([]);
  });
  afterAll(async () => {
    await admin?.end();
    await proxy?.close();
    await runOn(server, `drop database if exists ${name} with (force)`);
  });

  /** Opens the database as a service does, through the proxy. */
  const open = async () => {
    const url = new URL(urlOf(server, name));
    url.host = `127.0.0.1:${proxy.port}`;
    const errors: string[] = [];
    const database = await openDatabase({
      databaseUrl: url.toString(),
      dataDir: "",
      onError: ({ message }) => errors.push(message),
    });
    return { ...database, errors };
  };
  type Database = Awaited<ReturnType<typeof open>>;

  const listen = async ({ queueDb }: Database, channel: string) => {
    const heard: string[] = [];
    const handle = await queueDb.listen(
      channel,
      (payload) => heard.push(payload),
      () => heard.push("listening"),
    );
    return { heard, ...handle };
  };
  const notify = (channel: string, payload: string) =>
    admin.query("select pg_notify($1, $2)", [channel, payload]);
  /** The server's processes for connections of the database; a listener's last statement is LISTEN or UNLISTEN. */
  const listeners = async () => {
    const { rows } = await admin.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and query ~ 'LISTEN' and pid <> pg_backend_pid()",
    );
    return rows.map(({ pid }) => pid);
  };

  it("is one for all services of a process, and is closed with the last listener", async () => {
    const databases = await Promise.all([open(), open(), open()]);
    const channels = await Promise.all(
      databases.map((database, index) => listen(database, `channel ${index}`)),
    );
    expect(await listeners()).toHaveLength(1);
    await notify("channel 2", "hello");
    await expect.poll(() => channels[2]!.heard).toEqual(["listening", "hello"]);
    await channels[0]!.close();
    await channels[1]!.close();
    await notify("channel 2", "again");
    await expect.poll(() => channels[2]!.heard).toEqual(["listening", "hello", "again"]);
    await channels[2]!.close();
    await channels[2]!.close();
    await expect.poll(listeners).toEqual([]);
    const next = await listen(databases[0], "channel 0");
    await notify("channel 0", "reopened");
    await expect.poll(() => next.heard).toEqual(["listening", "reopened"]);
    await next.close();
    await Promise.all(databases.map(({ close }) => close()));
    expect(databases.flatMap(({ errors }) => errors)).toEqual([]);
  });

  it("is opened again after it was terminated, and calls onReconnect", async () => {
    const database = await open();
    const { heard, close } = await listen(database, "jobs");
    const [pid] = await listeners();
    await admin.query("select pg_terminate_backend($1)", [pid]);
    await expect.poll(() => heard).toEqual(["listening", "listening"]);
    await notify("jobs", "back");
    await expect.poll(() => heard).toEqual(["listening", "listening", "back"]);
    expect(database.errors).toHaveLength(1);
    await close();
    await database.close();
  });

  it("reports an outage once, and listens again once it is over", async () => {
    const database = await open();
    const { heard, close } = await listen(database, "jobs");
    proxy.cut();
    await expect.poll(() => proxy.refused).toBeGreaterThanOrEqual(3);
    const late = await listen(database, "late");
    expect(late.heard).toEqual([]);
    proxy.restore();
    await expect.poll(() => heard).toEqual(["listening", "listening"]);
    await expect.poll(() => late.heard).toEqual(["listening"]);
    expect(database.errors).toHaveLength(1);
    await close();
    await late.close();
    await database.close();
  });

  it("does not keep the database from closing during an outage", async () => {
    const database = await open();
    const { close } = await listen(database, "jobs");
    proxy.cut();
    await expect.poll(() => proxy.refused).toBeGreaterThanOrEqual(1);
    await close();
    await database.close();
    proxy.restore();
  });
});
