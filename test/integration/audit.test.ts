import { randomUUID } from "node:crypto";
import { type Kysely, sql } from "kysely";
import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { audit } from "../../middlewares/audit.ts";
import type GuardService from "../../services/guard/guard.service.ts";
import { type App, isMissing, sharedApp, startApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { callFrom } from "../helpers/call.ts";
import { connect, refusal } from "../helpers/socket.ts";
import { administrator, register, request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

describe.skipIf(isMissing)("The audit trail", () => {
  let app: App;

  beforeAll(async () => {
    app = await sharedApp();
  });
  afterAll(() => app?.stop());

  it("has an entry for a refusal, with the user, the action, the address and the time", async () => {
    const { id, username, token } = await register(app);
    const before = Date.now();
    const response = await request(app, "POST /api/chat/announcements", {
      token,
      body: { text: "Hear me" },
      headers: { "user-agent": "a test", "x-request-id": "the-request" },
    });
    expect(response.body.type).toBe("UserNotAuthorized");
    const [entry] = await auditOf(app, { event: "user.refused", userId: id });
    expect(entry).toEqual({
      id: expect.any(String),
      at: expect.any(String),
      event: "user.refused",
      service: "chat",
      actorId: id,
      actor: username,
      address: expect.stringMatching(/127\.0\.0\.1$/),
      userAgent: "a test",
      requestId: response.headers.get("x-request-id"),
      correlationId: "the-request",
      data: { target: "chat.sendMessageToAll", type: "UserNotAuthorized" },
    });
    expect(Date.parse(entry.at)).toBeGreaterThanOrEqual(before - 1_000);
  });

  it.each(["x".repeat(65), "a b", "<script>", "\u00e9", ""])(
    "keeps nothing of a correlation id like '%s'",
    async (value) => {
      const { id, token } = await register(app);
      await request(app, "POST /api/chat/announcements", {
        token,
        body: { text: "x" },
        headers: { "x-correlation-id": value },
      });
      const [entry] = await auditOf(app, { event: "user.refused", userId: id });
      expect(entry).not.toHaveProperty("correlationId");
    },
  );

  it("counts equal refusals", async () => {
    const { id, token } = await register(app);
    const refuse = (at: number) =>
      request(app, "POST /api/chat/announcements", {
        token,
        body: { text: "x" },
        headers: { "x-correlation-id": `request-${at}` },
      });
    for (let at = 0; at < 5; at += 1) await refuse(at);
    expect(await auditOf(app, { userId: id, event: "user.refused" })).toHaveLength(1);
  });

  it("has an entry for a failed job that an operator retries or discards", async () => {
    const { id: admin, token } = await administrator(app);
    const { db } = app.service("posts") as unknown as { db: Kysely<never> };
    const { rows } = await sql<{ id: string }>`
      insert into posts.job (name, state, completed_on) values ('jobs/purge', 'failed', now()) returning id
    `.execute(db);
    const [{ id }] = rows as [{ id: string }];
    const route = `/api/admin/jobs/posts/failed/${id}`;
    expect((await request(app, `DELETE ${route}`, { token })).status).toBe(204);
    expect((await request(app, `POST ${route}/retry`, { token })).status).toBe(404);
    const [entry, ...others] = await auditOf(app, { event: "job.discarded" });
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      service: "posts",
      actorId: admin,
      data: { queue: "jobs/purge", job: id },
    });
  });

  it("has entries for services that were refused and for sockets with an invalid token", async () => {
    await callFrom(app, "posts", "users.create", {}).catch(() => {});
    const refused = await auditOf(app, { event: "service.refused" });
    expect(refused).toContainEqual(
      expect.objectContaining({
        actor: "posts",
        data: { target: "users.create", type: "ServiceNotAuthorized" },
      }),
    );
    await refusal(app, "not a token");
    await expect
      .poll(async () => (await auditOf(app, { event: "user.refused" })).map(({ data }) => data))
      .toContainEqual({ target: "the sockets", type: "AccessTokenVerificationFailed" });
  });

  it("has a socket's address and correlation id, and a request id for each call", async () => {
    const { id, token } = await register(app);
    const extraHeaders = { "x-request-id": "the-socket" };
    const socket = await connect(app, token, { extraHeaders });
    const ask = new Promise((resolve) =>
      socket.emit("call", "chat.sendMessageToAll", { text: "x" }, resolve),
    );
    expect(await ask).toMatchObject({ type: "UserNotAuthorized" });
    socket.close();
    const [entry] = await auditOf(app, { event: "user.refused", userId: id });
    expect(entry.address).toMatch(/127\.0\.0\.1$/);
    expect(entry.requestId).toMatch(/^[\da-f]{8}-/);
    expect(entry.correlationId).toBe("the-socket");
  });

  it("is listed page by page, filtered by event, user and time", async () => {
    const { id, token } = await register(app);
    const routes = ["GET /api/audit", "POST /api/users", "POST /api/chat/announcements"];
    const body = {
      text: "x",
      username: "nobody",
      email: "no@example.com",
      password: "none at all",
    };
    for (const route of routes)
      await request(app, route, { token, ...(route.startsWith("POST") && { body }) });
    const all = await auditOf(app, { event: "user.refused", userId: id }, 3);
    expect(all).toHaveLength(3);

    const admin = await administrator(app);
    const read = (query: string) => request(app, `GET /api/audit?${query}`, { token: admin.token });
    const first = await read(`event=user.refused&userId=${id}&limit=2`);
    const { nextCursor } = first.body;
    const second = await read(`event=user.refused&userId=${id}&limit=2&cursor=${nextCursor}`);
    expect([...first.body.items, ...second.body.items]).toEqual(all);
    expect(second.body.nextCursor).toBeNull();

    const later = await read(`userId=${id}&event=user.refused&from=2999-01-01T00:00Z`);
    expect(later.body.items).toEqual([]);
    for (const time of ["yesterday", "2026-13-01T00:00Z", "2026-01-01T24:00Z", "0000-01-01T00:00Z"])
      expect([time, (await read(`from=${time}`)).status]).toEqual([time, 422]);
    const unknown = await read("event=anything");
    expect([unknown.status, unknown.body.data[0].field]).toEqual([422, "event"]);
  });

  it("can be read by administrators only", async () => {
    const { token } = await register(app);
    expect((await request(app, "GET /api/audit", { token })).body.type).toBe("UserNotAuthorized");
    expect((await request(app, "GET /api/audit")).body.type).toBe("AccessTokenRequired");
  });

  it("accepts entries from services only, and records the calling service", async () => {
    const entry = {
      id: "00000000-0000-4000-8000-000000000001",
      at: new Date().toISOString(),
      event: "roles.changed",
    };
    await expect(app.brokerOf("guard").call("guard.record", { entries: [entry] })).rejects.toThrow(
      expect.objectContaining({ type: "ServiceTokenRequired" }),
    );
    const forged = { ...entry, service: "users" };
    await expect(callFrom(app, "posts", "guard.record", { entries: [forged] })).rejects.toThrow(
      expect.objectContaining({ type: "VALIDATION_ERROR" }),
    );
    await callFrom(app, "users", "guard.record", { entries: [entry] });
    const [found] = await auditOf(app, { event: "roles.changed" });
    expect(found.service).toBe("users");
  });

  it("refuses an event that the calling service does not declare, and stores the others", async () => {
    const at = new Date().toISOString();
    const subjectId = "00000000-0000-4000-8000-00000000000b";
    const entries = ["login.succeeded", "no.such-event", "user.refused"].map((event) => ({
      id: randomUUID(),
      at,
      event,
      subjectId,
    }));
    await expect(callFrom(app, "posts", "guard.record", { entries })).rejects.toThrow(
      expect.objectContaining({ type: "ServiceNotAuthorized" }),
    );
    const stored = await auditOf(app, { userId: subjectId });
    expect(stored.map(({ event }) => event)).toEqual(["user.refused"]);
  });

  it("throws in a handler whose contract does not declare the event", () => {
    const posts = app.service("posts");
    const ctx = new posts.broker.ContextFactory(posts.broker);
    ctx.service = posts;
    expect(() => audit(ctx, { event: "account.changed" })).toThrow(
      /'account\.changed' is not declared: add it to 'audit' in the contract of 'posts'/,
    );
    // @ts-expect-error no contract declares it
    expect(() => audit(ctx, { event: "account.chnaged" })).toThrow(/is not declared/);
  });

  it("shows no field that a contract declares as redacted", async () => {
    const users = app.service("users");
    const ctx = new users.broker.ContextFactory(users.broker);
    ctx.service = users;
    const id = "00000000-0000-4000-8000-00000000000c";
    audit(ctx, { event: "account.changed", subject: { id }, data: { otp: "123456", plain: "x" } });
    const [{ data }] = await auditOf(app, { userId: id });
    expect(data).toEqual({ otp: "[redacted]", plain: "x" });
  });

  it.each([
    sql`update guard.audit_log set actor = 'mallory'`,
    sql`delete from guard.audit_log`,
    sql`truncate guard.audit_log`,
  ])("cannot be changed or emptied", async (statement) => {
    const { db } = app.service("guard") as unknown as GuardService;
    await expect(statement.execute(db)).rejects.toThrow(/only appended to/);
  });

  it("loses no entry while the guard is unavailable", async () => {
    const users = app.service("users");
    const who = "00000000-0000-4000-8000-00000000000a";
    await without(app, "guard", async () => {
      const ctx = new users.broker.ContextFactory(users.broker);
      ctx.service = users;
      audit(ctx, { event: "account.changed", actor: { id: who } });
    });
    expect(await auditOf(app, { userId: who })).toMatchObject([{ event: "account.changed" }]);
  });
});

/** A service without a credential. */
const stranger = {
  name: "stranger",
  actions: {
    knock: { restricted: ["api"], auth: "none", handler: () => "never" },
  },
} as unknown as ServiceSchema;

describe.skipIf(isMissing)("A node without a known service", () => {
  it("does not make other nodes lose their entries", async () => {
    const app = await startApp({}, { services: [stranger] });
    try {
      await callFrom(app, "posts", "stranger.knock").catch(() => {});
      await callFrom(app, "posts", "users.create", {}).catch(() => {});
      await expect
        .poll(async () =>
          (await auditOf(app, { event: "service.refused" })).map(({ data }) => data.target),
        )
        .toContain("users.create");
    } finally {
      await app.stop();
    }
  });
});
