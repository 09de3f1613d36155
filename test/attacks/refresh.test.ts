import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RefreshTokensRepository } from "../../services/auth/sessions/refresh-tokens.repository.ts";
import { type App, isMissing, restart, startApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { administrator, login, PASSWORD, register, request } from "../helpers/http.ts";
import { claimsOf, faultOf, refresh } from "../helpers/tokens.ts";

const REALM = { tenantId: "default", environmentId: "development" };

/** The number of refresh tokens that were issued in a session. */
async function tokensOf(app: App, accessToken: string): Promise<number> {
  const rows = await (app.service("auth") as any).db
    .selectFrom("refresh_tokens")
    .select("hash")
    .where("session_id", "=", claimsOf(accessToken).sid)
    .execute();
  return rows.length;
}

describe.skipIf(isMissing)("A refresh token", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it.each([
    ["without an idempotency key", () => undefined],
    ["each with another idempotency key", () => randomUUID()],
  ])("used by 20 concurrent requests, %s, succeeds once, and its session ends", async (_, key) => {
    const { token, refreshToken } = await register(app);
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => refresh(app, refreshToken, key())),
    );
    const [winner, ...others] = responses.toSorted((a, b) => a.status - b.status);
    expect(winner?.status).toBe(200);
    for (const { status, body } of others)
      expect([status, body.type]).toEqual([401, "RefreshTokenReused"]);
    expect(await tokensOf(app, token)).toBe(2);
    expect(await faultOf(app, winner?.body.access_token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, winner?.body.refresh_token)).body.type).toBe("RefreshTokenInvalid");
  });

  it("used by 20 concurrent requests with the same idempotency key gives all of them one refresh token", async () => {
    const { token, refreshToken } = await register(app);
    const key = randomUUID();
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => refresh(app, refreshToken, key)),
    );
    expect(new Set(responses.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(await tokensOf(app, token)).toBe(2);
  });

  it.each([
    ["without the idempotency key", undefined],
    ["with another idempotency key", randomUUID()],
  ])("used again %s ends the session", async (_, key) => {
    const { id, refreshToken } = await register(app);
    const { body } = await refresh(app, refreshToken, randomUUID());
    expect((await refresh(app, refreshToken, key)).body.type).toBe("RefreshTokenReused");
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, body.refresh_token)).body.type).toBe("RefreshTokenInvalid");
    const entries = await auditOf(app, { event: "refresh-token.reused", userId: id });
    expect(entries).toHaveLength(1);
    expect(JSON.stringify(entries)).not.toContain(refreshToken);
  });

  it.each([
    ["after its successor was used", (_: App, next: string) => refresh(app, next)],
    [
      "after REFRESH_GRACE",
      (_: App, __: string, sid: string) =>
        (app.service("auth") as any).db
          .updateTable("refresh_tokens")
          .set({ used_at: new Date(Date.now() - 60_000) })
          .where("session_id", "=", sid)
          .where("used_at", "is not", null)
          .execute(),
    ],
  ])("used again with its idempotency key %s ends the session", async (_, meanwhile) => {
    const { token, refreshToken } = await register(app);
    const key = randomUUID();
    const { body } = await refresh(app, refreshToken, key);
    await meanwhile(app, body.refresh_token, claimsOf(token).sid);
    expect((await refresh(app, refreshToken, key)).body.type).toBe("RefreshTokenReused");
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
  });

  it("used again with its idempotency key is reused if REFRESH_GRACE is 0", async () => {
    const { refreshToken } = await register(app);
    const { body } = await refresh(app, refreshToken, randomUUID());
    const outcomeOf = async (refreshGrace: number) => {
      const options = { ...REALM, accessTokenTtl: 600, refreshGrace };
      const tokens = new RefreshTokensRepository((app.service("auth") as any).db, options);
      return (await tokens.check(refreshToken, body.refresh_token)).outcome;
    };
    expect(await outcomeOf(10)).toBe("repeated");
    expect(await outcomeOf(0)).toBe("reused");
  });

  it("is not used up by a request whose idempotency key is too short", async () => {
    const { refreshToken } = await register(app);
    expect((await refresh(app, refreshToken, "1")).status).toBe(422);
    expect((await refresh(app, refreshToken)).status).toBe(200);
  });

  it("of an ended session is invalid, and is not used up", async () => {
    const { token, refreshToken } = await register(app);
    await request(app, "POST /api/auth/logout", { token });
    for (const _ of [1, 2])
      expect((await refresh(app, refreshToken)).body.type).toBe("RefreshTokenInvalid");
    expect(await tokensOf(app, token)).toBe(1);
  });

  it("is invalid for another tenant or environment on the same database", async () => {
    const { refreshToken } = await register(app);
    const outcomeOf = async (changed: object) => {
      const options = { ...REALM, accessTokenTtl: 600, refreshGrace: 10, ...changed };
      const tokens = new RefreshTokensRepository((app.service("auth") as any).db, options);
      return (await tokens.check(refreshToken, "next")).outcome;
    };
    expect(await outcomeOf({ tenantId: "another" })).toBe("invalid");
    expect(await outcomeOf({ environmentId: "production" })).toBe("invalid");
    expect(await outcomeOf({})).toBe("valid");
  });

  it("belongs to a session that no other user can end", async () => {
    const alice = await register(app, "alice");
    const mallory = await register(app, "mallory");
    const end = (id: string, token: string) =>
      request(app, `DELETE /api/auth/sessions/${id}`, { token });
    const { sid } = claimsOf(alice.token);
    for (const token of [mallory.token, (await administrator(app)).token])
      for (const id of [sid, randomUUID()]) {
        const { status, body } = await end(id, token);
        expect([status, body.type]).toEqual([404, "NotFound"]);
      }
    expect(await faultOf(app, alice.token)).toBeUndefined();
    expect((await refresh(app, alice.refreshToken)).status).toBe(200);
  });

  it("used before a restart is refused after it, and its session ends; other sessions continue", async () => {
    const [alice, bob] = [await register(app), await register(app)];
    const rotated = await refresh(app, alice.refreshToken, randomUUID());
    const other = await login(app, alice.username, PASSWORD);
    const key = randomUUID();
    const lost = await refresh(app, bob.refreshToken, key);

    app = await restart(app, { REFRESH_GRACE: "300" });
    const again = await refresh(app, alice.refreshToken);
    expect([again.status, again.body.type]).toEqual([401, "RefreshTokenReused"]);
    expect(await faultOf(app, rotated.body.access_token)).toBe("AccessTokenRevoked");
    const next = await refresh(app, rotated.body.refresh_token);
    expect(next.body.type).toBe("RefreshTokenInvalid");
    expect((await refresh(app, other.refreshToken)).status).toBe(200);
    const found = await refresh(app, bob.refreshToken, key);
    expect(found.body.refresh_token).toBe(lost.body.refresh_token);
  });
});
