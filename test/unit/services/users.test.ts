import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { groupPermissions } from "../../../lib/tokens/access-token.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import UsersService from "../../../services/users/users.service.ts";
import { startService } from "../../fixtures/service.ts";

const ADMIN = { sub: randomUUID(), permissions: groupPermissions(["users:write", "users:read"]) };
const TOKENS = {
  access_token: "an access token",
  refresh_token: "a refresh token",
  token_type: "Bearer",
  expires_in: 600,
  user: { id: randomUUID(), username: "alice", email: "alice@example.com", roles: ["user"] },
} satisfies ResultOf<"auth.generateToken">;
const PASSWORD = "correct horse battery";

describe("The users service", () => {
  const users = startService(UsersService, {
    as: ADMIN,
    calls: {
      "auth.ready": undefined,
      "auth.generateToken": TOKENS,
      "posts.list": { items: [], nextCursor: null },
    },
  });
  const newAccount = () => {
    const username = `user-${randomUUID().slice(0, 8)}`;
    return { username, email: `${username}@example.com`, password: PASSWORD };
  };

  it("registers an account, starts a session for it and emits user.created", async () => {
    const account = newAccount();
    expect(await users.call("users.register", account)).toEqual(TOKENS);
    const created = users.emitted("user.created").at(-1);
    expect(created).toMatchObject({ username: account.username });
    expect(users.callsOf("auth.generateToken").at(-1)).toEqual({ userId: created?.id });
  });

  it("emits user.renamed for a new username, and for no other change", async () => {
    const { id } = await users.call("users.create", newAccount());
    const as = { sub: id, subjectType: "EndUserAccount" } as const;
    const { username } = newAccount();
    await users.call("users.updateProfile", { username }, { as });
    await users.call("users.updateProfile", { username }, { as });
    expect(users.emitted("user.renamed")).toEqual([{ id }]);
  });

  it("starts a session for the right password and none for a wrong one", async () => {
    const account = newAccount();
    const { id } = await users.call("users.create", account);
    const count = users.callsOf("auth.generateToken").length;
    const login = (password: string) =>
      users.call("users.login", { username: account.username, password });
    await expect(login("wrong")).rejects.toMatchObject({ type: "InvalidCredentials" });
    expect(users.callsOf("auth.generateToken")).toHaveLength(count);
    expect(await login(PASSWORD)).toEqual(TOKENS);
    expect(users.callsOf("auth.generateToken").at(-1)).toMatchObject({ userId: id });
  });

  it("writes a login and its failure into the audit trail", async () => {
    const account = newAccount();
    await users.call("users.create", account);
    const meta = { client: { address: "192.0.2.1" } };
    const login = (password: string) =>
      users.call("users.login", { username: account.username, password }, { meta });
    await expect(login("wrong")).rejects.toMatchObject({ type: "InvalidCredentials" });
    await login(PASSWORD);
    await expect
      .poll(() => users.audited.filter(({ address }) => address === "192.0.2.1"))
      .toEqual([
        expect.objectContaining({ event: "login.failed" }),
        expect.objectContaining({ event: "login.succeeded", actor: account.username }),
      ]);
  });

  it("shows an e-mail address only to its owner and to a user with users:read", async () => {
    const account = newAccount();
    const { id } = await users.call("users.create", account);
    const get = async (as: object) => (await users.call("users.get", { id }, { as })).email;
    expect(await get(ADMIN)).toBe(account.email);
    expect(await get({ sub: id })).toBe(account.email);
    expect(await get({ sub: randomUUID() })).toBeUndefined();
  });

  it("answers Conflict for a username that is in use", async () => {
    const account = newAccount();
    await users.call("users.create", account);
    await expect(
      users.call("users.create", { ...newAccount(), username: account.username }),
    ).rejects.toMatchObject({ type: "Conflict" });
  });
});
