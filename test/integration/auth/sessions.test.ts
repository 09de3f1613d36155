import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { type App, isMissing, restart, startApp, topology } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, login, PASSWORD, register, request } from "../../helpers/http.ts";
import { without } from "../../helpers/without.ts";
import { claimsOf, faultOf, refresh } from "../../helpers/tokens.ts";

const KEY = "3f1c5c2e-7a0b-4b52-9d0e-5b1f6f1f7a11";

describe.skipIf(isMissing)("Sessions", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it("end, but the client gets an error if the broadcast failed", async () => {
    const { token, refreshToken } = await register(app);
    const refreshed = await refresh(app, refreshToken);
    const other = await register(app);
    await request(app, "GET /api/protected", { token });
    const broker = app.brokerOf("auth");
    const { broadcast } = broker;
    const failing = vi.spyOn(broker, "broadcast").mockImplementation((event, ...rest) => {
      if (event !== "sessions.revoked") return broadcast.call(broker, event, ...rest);
      return Promise.reject(new CitadelError("GuardNotAccessible"));
    });
    const { body } = await request(app, "POST /api/auth/logout", {
      token: refreshed.body.access_token,
    });
    failing.mockRestore();
    expect(body.type).toBe("GuardNotAccessible");
    expect(await faultOf(app, token)).toBe("AccessTokenRevoked");
    expect((await request(app, "POST /api/auth/logout", { token: other.token })).status).toBe(204);
  });

  it("survive a refresh that failed because users was unavailable", async () => {
    const { refreshToken } = await register(app);
    const failed = await without(app, "users", () => refresh(app, refreshToken));
    expect(failed.status).toBe(503);
    const { status, body } = await refresh(app, refreshToken);
    expect(status).toBe(200);
    expect((await refresh(app, body.refresh_token)).status).toBe(200);
  });

  it("end when an administrator changes the password", async () => {
    const bob = await register(app);
    const { token } = await administrator(app);
    const route = `PUT /api/users/${bob.id}`;
    const renamed = { username: `${bob.username}-2` };
    expect((await request(app, route, { token, body: renamed })).status).toBe(200);
    expect(await faultOf(app, bob.token)).toBeUndefined();

    await request(app, route, { token, body: { password: "another password" } });
    await expect.poll(() => faultOf(app, bob.token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, bob.refreshToken)).body.type).toBe("RefreshTokenInvalid");
    const again = await login(app, `${bob.username}-2`, "another password");
    expect(await faultOf(app, again.token)).toBeUndefined();
  });

  it("are broadcast again when they are ended again", async () => {
    const { username, token } = await register(app);
    const phone = await login(app, username, PASSWORD);
    await request(app, "POST /api/auth/logout", { token: phone.token });
    const broadcast: string[] = [];
    const listener = app.brokerOf("chat").createService({
      name: "$listener",
      events: {
        "sessions.revoked": {
          restricted: ["auth"],
          auth: "none",
          handler: (ctx: { params: { sessions: { sid: string }[] } }) =>
            void broadcast.push(...ctx.params.sessions.map((one) => one.sid)),
        },
      },
    } as never);
    const { sid } = claimsOf(phone.token);
    await request(app, "POST /api/auth/logout-all", { token });
    await expect.poll(() => broadcast).toContain(sid);
    await app.brokerOf("chat").destroyService(listener);
  });

  it("are listed for their user, with device, address and times, newest first", async () => {
    const alice = await register(app, "alice");
    const headers = { "user-agent": "Phone 1" };
    const { body } = await request(app, "POST /api/auth/login", {
      body: { username: alice.username, password: PASSWORD },
      headers,
    });
    const { access_token: token } = body;
    const list = async () => (await request(app, "GET /api/auth/sessions", { token })).body;
    const { items, nextCursor } = await list();
    expect(nextCursor).toBeNull();
    expect(items).toEqual([
      {
        id: claimsOf(token).sid,
        createdAt: expect.any(String),
        lastUsedAt: items[0].createdAt,
        expiresAt: expect.any(String),
        device: "Phone 1",
        address: expect.stringMatching(/127\.0\.0\.1/),
        current: true,
      },
      expect.objectContaining({ id: claimsOf(alice.token).sid, current: false }),
    ]);
    await refresh(app, alice.refreshToken);
    const [, used] = (await list()).items;
    expect(Date.parse(used.lastUsedAt)).toBeGreaterThan(Date.parse(used.createdAt));
    const page = await request(app, "GET /api/auth/sessions?limit=1", { token });
    expect(page.body.items).toHaveLength(1);
    expect(page.body.nextCursor).toEqual(expect.any(String));
  });

  it("can be ended one by one, and each end is in the audit trail", async () => {
    const alice = await register(app);
    const phone = await login(app, alice.username, PASSWORD);
    const { sid } = claimsOf(phone.token);
    const route = `DELETE /api/auth/sessions/${sid}`;
    expect((await request(app, route, { token: alice.token })).status).toBe(204);
    expect(await faultOf(app, phone.token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, phone.refreshToken)).body.type).toBe("RefreshTokenInvalid");
    expect(await faultOf(app, alice.token)).toBeUndefined();
    const { body } = await request(app, "GET /api/auth/sessions", { token: alice.token });
    expect(body.items.map(({ id }: any) => id)).toEqual([claimsOf(alice.token).sid]);
    const entries = await auditOf(app, { event: "session.ended", userId: alice.id });
    expect(entries).toEqual([
      expect.objectContaining({
        actor: alice.username,
        subjectId: alice.id,
        data: { session: sid },
      }),
    ]);
  });

  it("continue when a refresh is repeated because its response was lost", async () => {
    const { refreshToken } = await register(app);
    const lost = await refresh(app, refreshToken, KEY);
    const { db }: any = app.service("auth");
    const { sid } = claimsOf(lost.body.access_token);
    const session = db.updateTable("sessions").where("id", "=", sid);
    await session.set({ tokens_until: new Date(0) }).execute();
    const again = await refresh(app, refreshToken, KEY);
    expect(again.status).toBe(200);
    expect(again.body.refresh_token).toBe(lost.body.refresh_token);
    const { tokens_until } = await db
      .selectFrom("sessions")
      .select("tokens_until")
      .where("id", "=", sid)
      .executeTakeFirst();
    expect(tokens_until.getTime() / 1000).toBeGreaterThan(claimsOf(again.body.access_token).exp);
    expect(await faultOf(app, again.body.access_token)).toBeUndefined();
    expect((await refresh(app, again.body.refresh_token)).status).toBe(200);
  });

  it("are deleted when all their tokens have expired, and not before", async () => {
    const auth: any = app.service("auth");
    const [gone, kept] = [await register(app), await register(app)];
    await refresh(app, kept.refreshToken);
    const { sid } = claimsOf(gone.token);
    const past = new Date(Date.now() - 86_400_000);
    const { db } = auth;
    await db
      .updateTable("refresh_tokens")
      .set({ expires_at: past })
      .where("session_id", "=", sid)
      .execute();
    const change = (changes: object) =>
      db.updateTable("sessions").set(changes).where("id", "=", sid).execute();
    const left = async (table: string, column: string, id: string) =>
      (await db.selectFrom(table).selectAll().where(column, "=", id).execute()).length;
    await change({ expires_at: past });
    await auth.purge();
    // its access token has not expired yet, and must be refused
    expect(await left("sessions", "id", sid)).toBe(1);
    await change({ tokens_until: past });
    // two nodes may purge at the same time
    await Promise.all([auth.purge(), auth.purge()]);
    expect(await left("sessions", "id", sid)).toBe(0);
    expect(await left("refresh_tokens", "session_id", sid)).toBe(0);
    // the used one is kept, so that its reuse is detected
    expect(await left("refresh_tokens", "session_id", claimsOf(kept.token).sid)).toBe(2);
    expect((await refresh(app, kept.refreshToken)).body.type).toBe("RefreshTokenReused");
  });
});

describe.skipIf(isMissing)("Ended sessions", () => {
  it("stay ended after a restart", async () => {
    const first = await startApp();
    const { token } = await register(first);
    const other = await register(first);
    await request(first, "POST /api/auth/logout", { token });
    const second = await restart(first);
    try {
      expect(await faultOf(second, token)).toBe("AccessTokenRevoked");
      expect(await faultOf(second, other.token)).toBeUndefined();
    } finally {
      await second.stop();
    }
  });

  // this depends on auth alone, so one topology is enough
  const inProcess = topology === "process" ? it : () => {};

  inProcess(
    "stay ended after ACCESS_TOKEN_TTL was reduced, as long as their tokens would be valid",
    async () => {
      const first = await startApp();
      const [ended, renewed, purged, used] = [
        await register(first),
        await register(first),
        await register(first),
        await register(first),
      ];
      for (const { token } of [ended, purged])
        await request(first, "POST /api/auth/logout", { token });
      const { token } = await administrator(first);
      await request(first, `PUT /api/users/${renewed.id}/roles`, {
        token,
        body: { roles: ["moderator"] },
      });
      // five minutes pass
      const { db }: any = first.service("auth");
      const ago = new Date(Date.now() - 300_000);
      for (const [column, whose] of [
        ["ended_at", [ended, purged]],
        ["renewed_at", [renewed]],
        ["expires_at", [purged]],
      ] as const)
        for (const one of whose)
          await db
            .updateTable("sessions")
            .set({ [column]: ago })
            .where("id", "=", claimsOf(one.token).sid)
            .execute();
      const second = await restart(first, { ACCESS_TOKEN_TTL: "1" });
      try {
        const auth: any = second.service("auth");
        await auth.purge();
        expect(await faultOf(second, ended.token)).toBe("AccessTokenRevoked");
        expect(await faultOf(second, renewed.token)).toBe("AccessTokenExpired");
        expect(await faultOf(second, purged.token)).toBe("AccessTokenRevoked");
        // a new, shorter token must not shorten the time for which the older one is refused
        expect((await refresh(second, used.refreshToken)).status).toBe(200);
        await request(second, "POST /api/auth/logout", { token: used.token });
        const { sid, exp } = claimsOf(used.token);
        const revoked = await auth.revocations.list();
        expect(revoked.find(({ id }: any) => id === sid).until).toBeGreaterThan(exp);
      } finally {
        await second.stop();
      }
    },
  );
});
