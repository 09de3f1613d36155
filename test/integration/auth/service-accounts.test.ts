import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { loadContracts, permissionsOf } from "../../../lib/contract/load.ts";
import type AuthService from "../../../services/auth/auth.service.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, type Person, register, request } from "../../helpers/http.ts";
import { claimsOf, faultOf, tokenFor } from "../../helpers/tokens.ts";

const FORM = { "content-type": "application/x-www-form-urlencoded" };

describe.skipIf(isMissing)("Service accounts", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await sharedApp();
    admin = await administrator(app);
  });

  interface Client {
    client_id: string;
    client_secret: string;
  }

  const post = (path: string, token: string, body: object = {}) =>
    request(app, `POST /api/auth/service-accounts${path}`, { token, body });

  const make = async (permissions: string[] = ["posts:write"]): Promise<Client> =>
    (await post("", admin.token, { name: `robot ${randomUUID()}`, permissions })).body;

  const form = (fields: object) =>
    request(app, "POST /api/auth/token", {
      body: new URLSearchParams(fields as Record<string, string>).toString(),
      headers: FORM,
    });

  const tokenOf = ({ client_id, client_secret }: Client) =>
    form({ grant_type: "client_credentials", client_id, client_secret });

  const count = async () =>
    (await (app.service("auth") as any).db.selectFrom("service_accounts").selectAll().execute())
      .length;

  it("get an access token for id and secret, and no refresh token", async () => {
    const name = `robot ${randomUUID()}`;
    const made = await post("", admin.token, { name, permissions: ["posts:write"] });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/api/auth/service-accounts/${made.body.id}`);
    const { client_id, client_secret } = made.body;
    expect(made.body).toMatchObject({ id: client_id, name, permissions: ["posts:write"] });
    expect(Buffer.from(client_secret, "base64url")).toHaveLength(32);

    const { status, body, headers } = await tokenOf(made.body);
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 600,
      scope: "posts:write",
    });
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: client_id,
      sid: client_id,
      username: name,
      roles: [],
      permissions: { posts: ["write"] },
      subjectType: "ServiceAccount",
      tenantId: "default",
      environmentId: "development",
    });
    const post1 = { title: "By", body: "a program" };
    const written = await request(app, "POST /api/posts", {
      token: body.access_token,
      body: post1,
    });
    expect(written.status).toBe(201);
    const issued = await auditOf(app, { event: "token.issued", userId: client_id });
    expect(issued[0]).toMatchObject({ actorId: client_id, actor: name });
    expect(JSON.stringify(issued)).not.toContain(client_secret);
  });

  it("are listed without their secrets, which the database has only as hashes", async () => {
    const { client_id, client_secret } = await make();
    const { token } = admin;
    const { body } = await request(app, "GET /api/auth/service-accounts", { token });
    expect(body.nextCursor).toBeNull();
    expect(body.items[0]).toEqual({
      id: client_id,
      name: expect.any(String),
      permissions: ["posts:write"],
      subjectType: "ServiceAccount",
      createdAt: expect.any(String),
      createdBy: admin.id,
      lastUsedAt: expect.any(String),
    });
    const { db }: any = app.service("auth");
    const rows = await db.selectFrom("service_accounts").selectAll().execute();
    expect(JSON.stringify([rows, body])).not.toContain(client_secret);
  });

  it("have unique names, whatever the case", async () => {
    const name = `robot ${randomUUID()}`;
    const creations = [name, name.toUpperCase()].map((one) =>
      post("", admin.token, { name: one, permissions: [] }),
    );
    const statuses = (await Promise.all(creations)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 409]);
  });

  it("get the same error for an unknown id and a wrong secret", async () => {
    const { client_id, client_secret } = await make();
    const grant_type = "client_credentials";
    const responses = await Promise.all([
      form({ grant_type, client_id, client_secret: "wrong" }),
      form({ grant_type, client_id: randomUUID(), client_secret }),
      form({ grant_type, client_id: "nobody", client_secret }),
      form({ grant_type, client_id: "' or 1=1 --", client_secret }),
    ]);
    for (const { status, body } of responses) {
      expect(status).toBe(401);
      expect(body).toEqual(responses[0].body);
      expect(body.type).toBe("InvalidCredentials");
    }
    const failed = await auditOf(app, { event: "login.failed", userId: client_id });
    expect(failed).toHaveLength(1);
  });

  it("have one audit entry for five wrong secrets in a minute", async () => {
    const client = await make();
    for (let at = 0; at < 5; at += 1)
      expect((await tokenOf({ ...client, client_secret: "wrong" })).status).toBe(401);
    // entries are stored in order, so after this one all failures are stored
    await tokenOf(client);
    await auditOf(app, { event: "token.issued", userId: client.client_id });
    const failed = await auditOf(app, { event: "login.failed", userId: client.client_id });
    expect(failed).toHaveLength(1);
  });

  it("can send forms to the token endpoint only", async () => {
    const body = new URLSearchParams({ username: admin.username, password: admin.password });
    const { status } = await request(app, "POST /api/auth/login", {
      body: body.toString(),
      headers: FORM,
    });
    expect(status).toBe(415);
  });

  it("lose their tokens with the old secret, and get new ones with the new secret", async () => {
    const old = await make();
    const { access_token } = (await tokenOf(old)).body;
    expect(await faultOf(app, access_token)).toBeUndefined();
    const changed = await post(`/${old.client_id}/secret`, admin.token);
    expect(changed.status).toBe(200);
    expect(changed.body.client_id).toBe(old.client_id);
    expect(await faultOf(app, access_token)).toBe("AccessTokenRevoked");
    expect((await tokenOf(old)).body.type).toBe("InvalidCredentials");
    const next = await tokenOf(changed.body);
    expect(await faultOf(app, next.body.access_token)).toBeUndefined();
  });

  it("can get a new secret after a change that failed half-way", async () => {
    const auth = app.service("auth") as unknown as AuthService;
    const [client, other] = [await make(), await make()];
    const broken = vi.spyOn(auth.accounts, "changeSecret").mockRejectedValueOnce(new Error("away"));
    expect((await post(`/${client.client_id}/secret`, admin.token)).status).toBe(500);
    broken.mockRestore();
    await request(app, `DELETE /api/auth/service-accounts/${other.client_id}`, {
      token: admin.token,
    });
    const ids = [client.client_id, other.client_id];
    const past = new Date(Date.now() - 1_000);
    await auth.db
      .updateTable("sessions")
      .set({ ended_at: past, tokens_until: past })
      .where("id", "in", ids)
      .execute();
    // a failed purge does not prevent the others
    const failing = vi.spyOn(auth.refreshTokens, "purge").mockRejectedValueOnce(new Error("away"));
    await expect(auth.purge()).rejects.toThrow("away");
    failing.mockRestore();
    const left = await auth.db.selectFrom("sessions").select("id").where("id", "in", ids).execute();
    expect(left).toEqual([{ id: client.client_id }]);
    const { body } = await post(`/${client.client_id}/secret`, admin.token);
    expect((await tokenOf(body)).status).toBe(200);
  });

  it("lose their tokens when they are removed", async () => {
    const client = await make();
    const { access_token } = (await tokenOf(client)).body;
    const route = `DELETE /api/auth/service-accounts/${client.client_id}`;
    expect((await request(app, route, { token: admin.token })).status).toBe(204);
    expect(await faultOf(app, access_token)).toBe("AccessTokenRevoked");
    expect((await tokenOf(client)).body.type).toBe("InvalidCredentials");
    expect((await request(app, route, { token: admin.token })).status).toBe(404);
    expect(
      await auditOf(app, { event: "service-account.removed", userId: client.client_id }),
    ).toHaveLength(1);
  });

  it("are managed by staff with the permission only", async () => {
    const { token } = await register(app);
    const managing = await make(["auth:manage"]);
    const program = (await tokenOf(managing)).body.access_token;
    const permissions = { auth: ["manage"] };
    const client = tokenFor(app, { permissions, subjectType: "EndUserAccount" });
    const before = await count();
    for (const one of [token, program, client]) {
      const path = `/${managing.client_id}`;
      const responses = [
        await post("", one, { name: "a robot", permissions: [] }),
        await post(`${path}/secret`, one),
        await request(app, `DELETE /api/auth/service-accounts${path}`, { token: one }),
        await request(app, "GET /api/auth/service-accounts", { token: one }),
      ];
      for (const { body } of responses) expect(body.type).toBe("UserNotAuthorized");
    }
    expect(await count()).toBe(before);
    expect((await tokenOf(managing)).status).toBe(200);
  });

  it("cannot get a permission that their creator lacks", async () => {
    const manager = tokenFor(app, { permissions: { auth: ["manage"], posts: ["write"] } });
    const before = await count();
    for (const permission of [
      "users:grant",
      "no:such",
      "__proto__",
      "**",
      "posts",
      "posts:write:x",
    ]) {
      const body = { name: "a robot", permissions: [permission] };
      expect((await post("", manager, body)).body.type).toBe("UserNotAuthorized");
    }
    expect(await count()).toBe(before);
    // nor can the creator get it by a new secret for a more powerful account
    const powerful = await make(["users:grant"]);
    const { body } = await post(`/${powerful.client_id}/secret`, manager);
    expect(body.type).toBe("UserNotAuthorized");
    expect((await tokenOf(powerful)).status).toBe(200);
    const weak = await make(["posts:write"]);
    expect((await post(`/${weak.client_id}/secret`, manager)).status).toBe(200);
  });

  it("can neither list nor end sessions, not even their own", async () => {
    const { access_token: token } = (await tokenOf(await make())).body;
    for (const route of [
      "GET /api/auth/sessions",
      "POST /api/auth/logout",
      "POST /api/auth/logout-all",
      `DELETE /api/auth/sessions/${claimsOf(token).sid}`,
    ])
      expect((await request(app, route, { token })).body.type).toBe("UserNotAuthorized");
    expect(await faultOf(app, token)).toBeUndefined();
  });

  it("find the token endpoint in the metadata", async () => {
    const { status, body } = await request(app, "GET /.well-known/oauth-authorization-server");
    expect(status).toBe(200);
    expect(body).toEqual({
      issuer: "http://localhost:3000",
      token_endpoint: "http://localhost:3000/api/auth/token",
      jwks_uri: "http://localhost:3000/.well-known/jwks.json",
      scopes_supported: permissionsOf(loadContracts()).toSorted(),
      response_types_supported: [],
      grant_types_supported: ["client_credentials", "refresh_token"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    });
  });
});
