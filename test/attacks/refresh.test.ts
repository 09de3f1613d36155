import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RefreshTokensRepository } from "../../services/auth/sessions/refresh-tokens.repository.ts";
import { type App, isMissing, restart, startApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { administrator, login, PASSWORD, register, request } from "../helpers/http.ts";
import { claimsOf, faultOf, refresh } from "../helpers/tokens.ts";

const REALM = { tenantId: "default", environmentId: "development" };

/** How many refresh tokens a session ever had. */
async function tokensOf(app: App, accessToken: string): Promise<number> {
  const rows = await (app.service("auth") as any).db
    .selectFrom("refresh_tokens")
    .select("hash")
    .where("session_id", "=", claimsOf(accessToken).sid)
    .execute();
  return rows.length;
}

describe.skipIf(isMissing)("a refresh token", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it.each([
    ["without a key", () => undefined],
    ["each with a key of its own", () => randomUUID()],
  ])("used 20 times at once, %s, has one winner, and its session ends", async (_, key) => {
    const { token, refreshToken } = await register(app);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refresh(app, refreshToken, key())),
    );
    const [winner, ...others] = answers.toSorted((a, b) => a.status - b.status);
    expect(winner?.status).toBe(200);
    for (const { status, body } of others)
      expect([status, body.type]).toEqual([401, "RefreshTokenReused"]);
    expect(await tokensOf(app, token)).toBe(2);
    expect(await faultOf(app, winner?.body.access_token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, winner?.body.refresh_token)).body.type).toBe("RefreshTokenInvalid");
  });

  it("used 20 times at once by one who asks again gives them one and the same", async () => {
    const { token, refreshToken } = await register(app);
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refresh(app, refreshToken, key)),
    );
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(await tokensOf(app, token)).toBe(2);
  });

  it.each([
    ["without the key", undefined],
    ["with another key", randomUUID()],
  ])("used again at once %s ends the session", async (_, key) => {
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
    ["its successor was used", (_: App, next: string) => refresh(app, next)],
    [
      "the time for that is over",
      (_: App, __: string, sid: string) =>
        (app.service("auth") as any).db
          .updateTable("refresh_tokens")
          .set({ used_at: new Date(Date.now() - 60_000) })
          .where("session_id", "=", sid)
          .where("used_at", "is not", null)
          .execute(),
    ],
  ])("used again with its key when %s ends the session", async (_, meanwhile) => {
    const { token, refreshToken } = await register(app);
    const key = randomUUID();
    const { body } = await refresh(app, refreshToken, key);
    await meanwhile(app, body.refresh_token, claimsOf(token).sid);
    expect((await refresh(app, refreshToken, key)).body.type).toBe("RefreshTokenReused");
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
  });

  it("used again with its key is a second use where REFRESH_GRACE is 0", async () => {
    const { refreshToken } = await register(app);
    const { body } = await refresh(app, refreshToken, randomUUID());
    const worth = async (refreshGrace: number) => {
      const options = { ...REALM, accessTokenTtl: 600, refreshGrace };
      const tokens = new RefreshTokensRepository((app.service("auth") as any).db, options);
      return (await tokens.check(refreshToken, body.refresh_token)).outcome;
    };
    expect(await worth(10)).toBe("repeated");
    expect(await worth(0)).toBe("reused");
  });

  it("is not helped by a key that somebody could guess", async () => {
    const { refreshToken } = await register(app);
    expect((await refresh(app, refreshToken, "1")).status).toBe(422);
    expect((await refresh(app, refreshToken)).status).toBe(200);
  });

  it("of a session that was ended is worth nothing, and is not used up", async () => {
    const { token, refreshToken } = await register(app);
    await request(app, "POST /api/auth/logout", { token });
    for (const _ of [1, 2])
      expect((await refresh(app, refreshToken)).body.type).toBe("RefreshTokenInvalid");
    expect(await tokensOf(app, token)).toBe(1);
  });

  it("is worth nothing for another tenant or in another environment on the same database", async () => {
    const { refreshToken } = await register(app);
    const worth = async (changed: object) => {
      const options = { ...REALM, accessTokenTtl: 600, refreshGrace: 10, ...changed };
      const tokens = new RefreshTokensRepository((app.service("auth") as any).db, options);
      return (await tokens.check(refreshToken, "next")).outcome;
    };
    expect(await worth({ tenantId: "another" })).toBe("invalid");
    expect(await worth({ environmentId: "production" })).toBe("invalid");
    expect(await worth({})).toBe("valid");
  });

  it("and the sessions behind it can be ended by nobody else", async () => {
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

  it("used before everything was started again is refused, and its session ends; others go on", async () => {
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
