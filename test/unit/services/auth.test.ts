import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readHeader } from "../../../lib/tokens/jwt.ts";
import { ACCESS_TOKEN_TYPE } from "../../../lib/tokens/access-token.ts";
import AuthService from "../../../services/auth/auth.service.ts";
import { startService } from "../../fixtures/service.ts";

const ALICE = {
  id: randomUUID(),
  username: "alice",
  email: "alice@example.com",
  emailVerified: true,
  roles: ["user"],
  permissions: ["posts:write"],
  subjectType: "EndUserAccount",
} as const;

describe("The auth service", () => {
  const auth = startService(AuthService, {
    calls: {
      "users.identity": {
        ...ALICE,
        roles: [...ALICE.roles],
        permissions: [...ALICE.permissions],
        tags: [],
      },
    },
  });
  const signIn = () => auth.call("auth.generateToken", { userId: ALICE.id });

  it("signs an access token with a published key, for the user's current roles", async () => {
    const { access_token: token, user } = await signIn();
    expect(user).toEqual({
      id: ALICE.id,
      username: ALICE.username,
      email: ALICE.email,
      roles: ALICE.roles,
    });
    const { kid } = readHeader(token, ACCESS_TOKEN_TYPE);
    const { keys } = await auth.call("auth.jwks", {});
    expect(keys.map((key) => key.kid)).toContain(kid);
    expect(auth.callsOf("users.identity").at(-1)).toEqual({ id: ALICE.id });
  });

  it("ends the session of a refresh token that is used twice", async () => {
    const { refresh_token } = await signIn();
    const next = await auth.call("auth.refresh", { refresh_token });
    await expect(auth.call("auth.refresh", { refresh_token })).rejects.toMatchObject({
      type: "RefreshTokenReused",
    });
    const [revoked] = auth.emitted("sessions.revoked");
    // a job repeats the broadcast
    await expect.poll(() => auth.emitted("sessions.revoked")).toEqual([revoked, revoked]);
    await expect(
      auth.call("auth.refresh", { refresh_token: next.refresh_token ?? "" }),
    ).rejects.toMatchObject({ type: "RefreshTokenInvalid" });
  });

  it("revokes every session of a removed account", async () => {
    const { refresh_token } = await signIn();
    await auth.receive("user.removed", { id: ALICE.id });
    await expect(auth.call("auth.refresh", { refresh_token })).rejects.toMatchObject({
      type: "RefreshTokenInvalid",
    });
  });

  it("shows the claims of the caller's access token", async () => {
    const { message, user } = await auth.call("auth.whoami", {}, { as: { username: "bob" } });
    expect(message).toBe("Access granted");
    expect(user).toMatchObject({ username: "bob" });
  });
});
