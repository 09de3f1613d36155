import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import { KnownAddressesRepository } from "../../services/users/login/known-addresses.repository.ts";
import { LoginLimits } from "../../services/users/login/login-limits.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { PASSWORD, register, request } from "../helpers/http.ts";

/** A TCP proxy in front of the database that a test can stop. */
class Proxy {
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  constructor({ hostname, port }: URL) {
    this.#target = { host: hostname, port: Number(port || 5432) };
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      const target = connect(this.#target);
      for (const [one, other] of [
        [socket, target],
        [target, socket],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy()).on("close", () => other.destroy());
        one.pipe(other);
      }
    }).listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    ({ port: this.port } = this.#server.address() as { port: number });
  }

  async stop(): Promise<void> {
    const closed = once(this.#server!, "close");
    this.#server!.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await closed;
  }
}

describe.skipIf(isMissing)("login limits on PostgreSQL", () => {
  const name = `citadel_limits_${process.pid}`;
  let server: Client;
  let proxy: Proxy;
  let app: App;

  beforeAll(async () => {
    const url = new URL(inject("databaseUrl")!);
    server = new Client({ connectionString: url.toString() });
    await server.connect();
    await server.query(`create database ${name}`);
    proxy = new Proxy(url);
    await proxy.start();
    url.host = `127.0.0.1:${proxy.port}`;
    url.pathname = `/${name}`;
    app = await startApp({ DATABASE_URL: url.toString() });
  });
  afterAll(async () => {
    await app?.stop();
    await proxy.stop();
    await server.query(`drop database ${name} with (force)`);
    await server.end();
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
    const { username } = await register(app);
    const signIn = () =>
      request(app, "POST /api/auth/login", { body: { username, password: PASSWORD } });
    expect((await signIn()).status).toBe(200);
    await proxy.stop();
    const { status, body } = await signIn();
    await proxy.start();
    expect(status).toBe(503);
    expect(body.type).toBe("DatabaseNotAccessible");
    await expect.poll(async () => (await signIn()).status).toBe(200);
  });
});
