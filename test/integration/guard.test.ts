import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { GuardAuthority, makeSigningKey } from "moleculer-service-guard";
import { readSigningKey } from "../../lib/tokens/signing-key.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing, startApp, topology } from "../helpers/app.ts";
import { startAttacker, steal, stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, register, request } from "../helpers/http.ts";
import { claimsOf, headerOf } from "../helpers/tokens.ts";
import { without } from "../helpers/without.ts";

const idOf = (credential: string): string => claimsOf(credential).jti;

describe.skipIf(isMissing)("The guard service", () => {
  const app = application({ SERVICE_IDENTITY_TTL: "5" });
  let admin: User;

  beforeAll(async () => {
    admin = await app.administrator();
  });

  const asAdmin = (action: string, params: object = {}) =>
    callFrom(app, "api", action, params, { token: admin.token });

  it("generates credentials for operators and, without a bus, for the REPL", async () => {
    const attacker = await startAttacker(app);
    const alice = await register(app);
    const generate = (meta: object = {}) =>
      attacker.call("guard.generate", { service: "myService" }, { meta });
    if (topology === "nats") {
      await expect(generate()).rejects.toMatchObject({ type: "AccessTokenRequired" });
      await expect(
        callFrom(
          app,
          "api",
          "guard.generate",
          { service: "x" },
          {
            token: alice.token,
          },
        ),
      ).rejects.toMatchObject({ type: "UserNotAuthorized" });
    } else expect(claimsOf(await generate()).sub).toBe("myService");
    const made = await asAdmin("guard.generate", { service: "myService" });
    expect(claimsOf(made).sub).toBe("myService");
    expect(headerOf(made).kid).toBe(stolenKey(app, "guard").kid);
    await attacker.stop();
  });

  it("lists the credentials that were used, for operators only", async () => {
    const { items } = await asAdmin("guard.credentials");
    expect(items).toContainEqual({
      id: idOf(steal(app, "users", "auth_token")),
      service: "users",
      issuedAt: expect.any(String),
      expiresAt: expect.any(String),
      lastUsedAt: expect.any(String),
      revokedAt: null,
    });
    const { token } = await register(app);
    for (const action of ["guard.credentials", "guard.revoke"])
      await expect(
        callFrom(app, "api", action, { id: items[0].id }, { token }),
      ).rejects.toMatchObject({ type: "UserNotAuthorized" });
  });

  it("counts refused calls by action, type and caller, and keeps the last ones", async () => {
    await expect(callFrom(app, "posts", "users.create", {})).rejects.toMatchObject({
      type: "ServiceNotAuthorized",
    });
    const { last, counts } = await asAdmin("guard.refusals");
    expect(last).toContainEqual({
      target: "users.create",
      type: "ServiceNotAuthorized",
      caller: "posts",
      // left out if the caller runs in the same process
      ...(topology === "nats" && { nodeID: app.brokerOf("posts").nodeID }),
      at: expect.any(String),
    });
    expect(counts).toContainEqual({
      target: "users.create",
      type: "ServiceNotAuthorized",
      count: 1,
    });
    expect(JSON.stringify({ last, counts })).not.toMatch(/ey[\w-]+\./);
  });

  it("replaces a credential without a failed call, and refuses a revoked one on every node", async () => {
    const file = join(app.env.DATA_DIR!, "secrets", "posts", "auth_token");
    const old = readFileSync(file, "utf8");
    const call = () => callFrom(app, "posts", "users.posts", {});
    await call();

    const authority = new GuardAuthority({ signingKey: steal(app, "guard", "signing_key") });
    writeFileSync(file, authority.generate("posts").credential);
    // the new one is used from the next renewal of the identity, and the old one can be revoked
    const next = idOf(readFileSync(file, "utf8"));
    await expect
      .poll(async () => {
        await call();
        const { items } = await asAdmin("guard.credentials");
        return items.some(({ id }: any) => id === next);
      })
      .toBe(true);
    await asAdmin("guard.revoke", { id: idOf(old) });
    await call();

    // a revoked one gets no identity, and its present identity is refused at once
    const { id, revokedAt } = await asAdmin("guard.revoke", { id: next });
    expect({ id, revokedAt }).toEqual({ id: next, revokedAt: expect.any(String) });
    await expect
      .poll(() =>
        call().then(
          () => "ran",
          ({ type }) => type,
        ),
      )
      .toBe("ServiceTokenInvalid");
    // over NATS a node without an identity is not called either
    const isCalled = topology === "nats" ? 503 : 200;
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(isCalled);
  });
});

describe.skipIf(isMissing)("A new signing key of the guard", () => {
  it("is trusted because the old key endorses it", async () => {
    const app = await startApp({ SERVICE_IDENTITY_TTL: "5" });
    try {
      const file = join(app.env.DATA_DIR!, "secrets", "guard", "signing_key");
      const old = readFileSync(file, "utf8");
      const next = makeSigningKey();
      const restart = (pem: string) => without(app, "guard", async () => writeFileSync(file, pem));
      const callers = ["chat", "users", "posts", "auth"];
      const callAll = () =>
        Promise.all(callers.map((caller) => callFrom(app, caller, "users.list", {})));
      // every node knows the new key before it is used
      await restart(`${old}\n${next}`);
      await callAll();
      await restart(`${next}\n${old}`);
      await callAll();
      const { token } = await administrator(app);
      const made = await callFrom(app, "api", "guard.generate", { service: "x" }, { token });
      expect(headerOf(made).kid).toBe(readSigningKey(next).kid);
      // each identity is now signed with the new key
      const { registry } = app.brokerOf("posts");
      expect(registry.actions.isAvailable("users.list")).toBe(true);
      await callAll();
      await register(app);
    } finally {
      await app.stop();
    }
  });
});
