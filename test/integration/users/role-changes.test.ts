import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, restart, startApp } from "../../helpers/app.ts";
import { administrator, login, type Person, register, request } from "../../helpers/http.ts";
import { connect, next } from "../../helpers/socket.ts";
import { claimsOf, faultOf, refresh } from "../../helpers/tokens.ts";
import { without } from "../../helpers/without.ts";

describe.skipIf(isMissing)("a change of roles", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await startApp();
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());

  const setRoles = (id: string, roles: string[], token = admin.token) =>
    request(app, `PUT /api/users/${id}/roles`, { token, body: { roles } });

  const withRoles = async (roles: string[]) => {
    const { id, username, password } = await register(app);
    expect((await setRoles(id, roles)).status).toBe(200);
    return login(app, username, password);
  };

  it("expires the access tokens with the former permissions immediately", async () => {
    const carol = await withRoles(["moderator"]);
    const alice = await register(app, "alice");
    const { body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Mine", body: "There" },
    });
    const change = (token: string, title: string) =>
      request(app, `PUT /api/posts/${body.id}`, { token, body: { title } });
    expect((await change(carol.token, "Moderated")).status).toBe(200);

    await setRoles(carol.id, ["user"]);
    expect((await change(carol.token, "Again")).body.type).toBe("AccessTokenExpired");
    const refreshed = await refresh(app, carol.refreshToken);
    expect(refreshed.body.user.roles).toEqual(["user"]);
    expect((await change(refreshed.body.access_token, "Again")).body.type).toBe(
      "UserNotAuthorized",
    );
    expect((await request(app, `GET /api/posts/${body.id}`)).body.title).toBe("Moderated");
  });

  it("grants new permissions with the next access token of the same session", async () => {
    const bob = await register(app, "bob");
    await setRoles(bob.id, ["moderator"]);
    expect(await faultOf(app, bob.token)).toBe("AccessTokenExpired");
    const { body } = await refresh(app, bob.refreshToken);
    const [before, after] = [claimsOf(bob.token), claimsOf(body.access_token)];
    expect(after.sid).toBe(before.sid);
    expect(after.permissions).toMatchObject({ posts: ["moderate", "write"] });
    expect(await faultOf(app, body.access_token)).toBeUndefined();
  });

  it("does not affect the sessions of other users", async () => {
    const [one, other] = [await register(app), await register(app)];
    await setRoles(one.id, ["moderator"]);
    expect(await faultOf(app, other.token)).toBeUndefined();
    expect(await faultOf(app, admin.token)).toBeUndefined();
  });

  it("asks sockets for a newer access token, refuses their calls, and disconnects those without one", async () => {
    const dora = await withRoles(["moderator"]);
    const [refreshing, silent] = [await connect(app, dora.token), await connect(app, dora.token)];
    const outdated = [next(refreshing, "auth:outdated"), next(silent, "auth:outdated")];
    const ended = next(silent, "session:end");
    await setRoles(dora.id, ["user"]);
    await Promise.all(outdated);
    const send = () => refreshing.emitWithAck("message", { text: "Hello" });
    expect(await send()).toMatchObject({ ok: false, error: { type: "AccessTokenExpired" } });
    const { body } = await refresh(app, dora.refreshToken);
    await refreshing.emitWithAck("auth:refresh", { token: body.access_token });
    expect(await send()).toMatchObject({ ok: true });
    expect((await ended).type).toBe("AccessTokenExpired");
    expect(refreshing.connected).toBe(true);
    refreshing.close();
  });

  it("expires the impersonation tokens of the user", async () => {
    const deputy = await withRoles(["admin"]);
    const victim = await register(app);
    const { body } = await request(app, "POST /api/auth/impersonate", {
      token: deputy.token,
      body: { userId: victim.id },
    });
    expect(await faultOf(app, body.access_token)).toBeUndefined();
    const socket = await connect(app, body.access_token);
    const ended = next(socket, "session:end");
    await setRoles(deputy.id, ["user"]);
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenExpired");
    // no time for a refresh, which `auth:outdated` would announce
    expect((await Promise.race([ended, next(socket, "auth:outdated")])).type).toBe(
      "AccessTokenExpired",
    );
    expect(await faultOf(app, victim.token)).toBeUndefined();
  });

  it("is refused while auth is unreachable", async () => {
    const eve = await register(app, "eve");
    const response = await without(app, "auth", () => setRoles(eve.id, ["moderator"]));
    expect(response.status).toBe(503);
    const { body } = await request(app, `GET /api/users/${eve.id}`, { token: admin.token });
    expect(body.roles).toEqual(["user"]);
  });

  it("still holds after a restart", async () => {
    const frank = await register(app, "frank");
    await setRoles(frank.id, ["moderator"]);
    app = await restart(app);
    expect(await faultOf(app, frank.token)).toBe("AccessTokenExpired");
    const { body } = await refresh(app, frank.refreshToken);
    expect(await faultOf(app, body.access_token)).toBeUndefined();
  });
});
