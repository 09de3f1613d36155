import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { loadContracts } from "../../lib/contracts.ts";
import { natsPermissions } from "../../lib/access/nats-permissions.ts";
import { NatsTransporter } from "../../lib/nats-transporter.ts";
import { isMissing, startApp } from "../helpers/app.ts";
import { register, request } from "../helpers/http.ts";
import { connect as connectSocket, next } from "../helpers/socket.ts";
import { freePort, startNats } from "../helpers/servers.ts";

const NAMESPACE = `test-${randomUUID()}`;
const PREFIX = `MOL-${NAMESPACE}`;

/** Every service is a user of this server, with its own permissions and its name for a password. */
const users = [...natsPermissions(loadContracts(), NAMESPACE)].map(([user, permissions]) =>
  JSON.stringify({ user, password: user, permissions }),
);

describe.skipIf(isMissing)("a NATS server with the permissions of the contracts", () => {
  let folder: string;
  let port: number;
  let nats: ChildProcess;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "citadel-nats-"));
    const config = join(folder, "nats.conf");
    writeFileSync(config, `authorization { users: [${users.join(",\n")}] }`);
    port = await freePort();
    nats = await startNats(port, ["-c", config]);
  });
  afterAll(() => {
    nats?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A client with the account of a service, what it hears, and what the server refuses it. */
  const connectAs = async (service: string) => {
    const client = await connect({ servers: `127.0.0.1:${port}`, user: service, pass: service });
    const heard: string[] = [];
    const refused: string[] = [];
    void (async () => {
      for await (const { permissionContext } of client.status())
        if (permissionContext)
          refused.push(`${permissionContext.operation} ${permissionContext.subject}`);
    })();
    return {
      heard,
      refused,
      publish: (subject: string) => client.publish(subject, "{}"),
      subscribe: (subject: string) =>
        void client.subscribe(subject, {
          callback: (error, message) => void (error ?? heard.push(message.subject)),
        }),
      flush: () => client.flush(),
      close: () => client.close(),
    };
  };

  it("lets posts ask users, and neither ask chat nor listen to others", async () => {
    const [chat, accounts, posts] = await Promise.all(["chat", "users", "posts"].map(connectAs));
    const clients = [chat!, accounts!, posts!];
    for (const [client, service] of [
      [chat!, "chat"],
      [accounts!, "users"],
    ] as const)
      client.subscribe(`${PREFIX}.REQ.${service}.>`);
    await Promise.all(clients.map((client) => client.flush()));

    const wildcards = [`${PREFIX}.REQ.users.>`, `${PREFIX}.REQ.*.*`, `${PREFIX}.>`, ">"];
    const targets = [`${PREFIX}.REQ.chat.1`, `${PREFIX}.EVENT.chat.1`, "MOL-other.REQ.users.1"];
    for (const subject of wildcards) posts!.subscribe(subject);
    for (const subject of targets) posts!.publish(subject);
    posts!.publish(`${PREFIX}.REQ.users.1`);

    await expect.poll(() => accounts!.heard).toEqual([`${PREFIX}.REQ.users.1`]);
    expect(posts!.refused.toSorted()).toEqual(
      [
        ...wildcards.map((subject) => `subscription ${subject}`),
        ...targets.map((subject) => `publish ${subject}`),
      ].toSorted(),
    );
    expect(posts!.heard).toEqual([]);
    expect(chat!.heard).toEqual([]);
    await Promise.all(clients.map((client) => client.close()));
  });

  it("lets nobody in who is no service", async () => {
    const anonymous = connect({ servers: `127.0.0.1:${port}` });
    await expect(anonymous).rejects.toThrow(/Authorization/i);
  });

  it("lets the application do all that it does", async () => {
    let log = "";
    nats.stderr!.on("data", (text: Buffer) => (log += text.toString()));
    const app = await startApp(
      { NAMESPACE },
      {
        broker: (_own, [service]) => ({
          nodeID: `${service}.${randomUUID()}`,
          heartbeatInterval: 1,
          transporter: new NatsTransporter({
            url: `nats://${service}:${service}@127.0.0.1:${port}`,
          }),
        }),
      },
    );
    try {
      const { id, token } = await register(app);
      const body = { title: "Hi", body: "There" };
      expect((await request(app, "POST /api/posts", { token, body })).status).toBe(201);
      expect((await request(app, `GET /api/users/${id}/posts`)).body.items).toHaveLength(1);
      const socket = await connectSocket(app, token);
      const arriving = next(socket, "message");
      await socket.emitWithAck("message", { text: "Hello" });
      expect(await arriving).toMatchObject({ text: "Hello" });
      const ending = next(socket, "session:end");
      expect((await request(app, "POST /api/auth/logout", { token })).status).toBe(204);
      await ending;
      await expect
        .poll(async () => (await request(app, "POST /api/posts", { token, body })).body.type)
        .toBe("AccessTokenRevoked");
      const chat = await connectAs("chat");
      chat.subscribe(`${PREFIX}.HEARTBEAT`);
      await expect.poll(() => chat.heard.length).toBeGreaterThanOrEqual(app.brokers.length);
      await chat.close();
      // the server may say that a node is gone
      const { registry, transit } = app.brokerOf("posts");
      const dropped = vi.spyOn((registry as any).nodes, "disconnected");
      await (transit as any).sendPing("users.gone");
      await expect.poll(() => dropped.mock.calls).toEqual([["users.gone", true]]);
      expect(log).not.toMatch(/Violation/);
    } finally {
      await app.stop();
    }
  });
});
