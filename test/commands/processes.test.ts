import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { serviceNames } from "../../lib/contract/load.ts";
import { type Command, run } from "../helpers/command.ts";
import { register, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";
import { connect } from "../helpers/socket.ts";

const natsUrl = inject("natsUrl");
const server = inject("databaseUrl");

describe.skipIf(!natsUrl || !server)("a process for each service", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-processes-"));
  const database = `citadel_test_${randomUUID().replaceAll("-", "")}`;
  const commands = new Map<string, Command>();
  let app: any;

  const sql = async (statement: string) => {
    const client = new Client({ connectionString: server! });
    await client.connect();
    await client.query(statement);
    await client.end();
  };

  beforeAll(async () => {
    await sql(`create database ${database}`);
    const url = new URL(server!);
    url.pathname = `/${database}`;
    const port = await freePort();
    app = { url: `http://127.0.0.1:${port}` };
    const namespace = randomUUID();
    for (const name of [...serviceNames(), "users", "guard"])
      commands.set(
        commands.has(name) ? `${name} again` : name,
        run("start", {
          SERVICES: name,
          NATS_URL: natsUrl!,
          DATABASE_URL: url.toString(),
          NAMESPACE: namespace,
          DATA_DIR: dataDir,
          PORT: String(port),
          BCRYPT_COST: "4",
        }),
      );
    await Promise.all([...commands.values()].map((one) => one.shows(/started successfully/)));
    await vi.waitFor(
      async () => expect((await request(app, "GET /health/ready")).status).toBe(200),
      { timeout: 20_000 },
    );
  }, 120_000);

  afterAll(async () => {
    await Promise.all([...commands.values()].map((one) => one.stop()));
    await sql(`drop database ${database} with (force)`);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("answers like a single process", async () => {
    const alice = await register(app, "alice");
    const made = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Hi", body: "There" },
    });
    expect(made.status).toBe(201);
    const posts = await request(app, `GET /api/users/${alice.id}/posts`);
    const { body: excerpt, ...rest } = made.body;
    expect(posts.body.items).toEqual([{ ...rest, excerpt }]);
    const socket = await connect(app, alice.token);
    const ack = await socket.emitWithAck("message", { text: "Hello" });
    expect(ack).toMatchObject({ ok: true, data: { userId: alice.id, text: "Hello" } });
    socket.close();
  });

  it("creates one administrator although two nodes of users start together", async () => {
    const shown = [...commands.values()].filter((one) => one.output().includes("The first adm"));
    expect(shown).toHaveLength(1);
  });

  it("answers all requests after one of two processes of a service was killed", async () => {
    const { token } = await register(app);
    const ask = async () => {
      const begin = performance.now();
      const { status } = await request(app, "GET /api/users/me", { token });
      return { status, isSoon: performance.now() - begin < 2_500 };
    };
    const asking = Array.from({ length: 10 }, ask);
    await commands.get("users again")!.kill();
    const responses = await Promise.all([...asking, ...Array.from({ length: 10 }, ask)]);
    expect(responses).toEqual(responses.map(() => ({ status: 200, isSoon: true })));
    commands.delete("users again");
  });

  it("stops on SIGTERM", async () => {
    const codes = await Promise.all([...commands.values()].map((one) => one.stop()));
    expect(codes.every((code) => code === 0)).toBe(true);
    for (const one of commands.values()) expect(one.output()).toContain("Good bye");
  });
});
