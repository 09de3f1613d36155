import { Client } from "pg";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { KnownAddressesRepository } from "../../services/users/login/known-addresses.repository.ts";
import { LoginLimits } from "../../services/users/login/login-limits.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { PASSWORD, request } from "../helpers/http.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";

describe.skipIf(isMissing)("Login limits on PostgreSQL", () => {
  const name = `citadel_limits_${process.pid}`;
  let server: Client;
  let proxy: Proxy;

  // runs after the application has stopped: hooks run in the reverse order of their registration
  afterAll(async () => {
    await proxy?.close();
    await server?.query(`drop database if exists ${name} with (force)`);
    await server?.end();
  });
  const app = application(async () => {
    const url = new URL(inject("databaseUrl")!);
    server = new Client({ connectionString: url.toString() });
    await server.connect();
    await server.query(`create database ${name}`);
    proxy = await startProxy(Number(url.port || 5432));
    url.host = `127.0.0.1:${proxy.port}`;
    url.pathname = `/${name}`;
    return { DATABASE_URL: url.toString() };
  });

  it("count concurrent guesses on all nodes of users together", async () => {
    const open = async (node: string) => {
      const url = new URL(app.env.DATABASE_URL!);
      // another URL opens a connection pool of its own
      url.searchParams.set("application_name", node);
      const { db, close } = await openDatabase({
        databaseUrl: url.toString(),
        dataDir: "",
        onError: () => undefined,
      });
      const known = new KnownAddressesRepository(db.withSchema("users"));
      const limits = new LoginLimits({ db, schema: "users", table: "login_limits" }, known);
      return { limits, close };
    };
    const nodes = [await open("one"), await open("two")];
    const attempt = { account: undefined, login: "unknown", client: { address: "192.0.2.1" } };
    const options = { isFailure: () => true, onLimit: () => undefined };
    const wrong = new Error("wrong");
    const guess = (limits: LoginLimits) =>
      limits.run(attempt, options, () => Promise.reject(wrong)).catch((error: unknown) => error);
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, at) => guess(nodes[at % 2]!.limits)),
    );
    expect(outcomes.filter((error) => error === wrong)).toHaveLength(10);
    for (const error of outcomes)
      if (error !== wrong) expect(error).toMatchObject({ type: "TooManyRequests" });
    for (const { close } of nodes) await close();
  });

  it("refuse every login with 503 while the database is unreachable, and work again afterwards", async () => {
    const { username } = await app.register();
    const signIn = () =>
      request(app, "POST /api/auth/login", { body: { username, password: PASSWORD } });
    expect((await signIn()).status).toBe(200);
    proxy.cut();
    const { status, body } = await signIn();
    proxy.restore();
    expect(status).toBe(503);
    expect(body.type).toBe("DatabaseNotAccessible");
    await expect.poll(async () => (await signIn()).status).toBe(200);
  });
});
