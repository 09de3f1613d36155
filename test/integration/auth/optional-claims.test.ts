import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountOf, emailOf, registerVerified } from "../../helpers/accounts.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { callFrom } from "../../helpers/call.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { AUDIENCE, type Issuer, type Issuers, startIssuers } from "../../helpers/issuer.ts";
import { claimsOf, refresh } from "../../helpers/tokens.ts";

const OPTIONAL = [
  "name",
  "email",
  "tags",
  "applicationId",
  "profileId",
  "extensions",
  "sessionId",
] as const;

/** The optional claims of a token. */
const optional = (claims: Record<string, unknown>) =>
  Object.fromEntries(OPTIONAL.flatMap((name) => (name in claims ? [[name, claims[name]]] : [])));

const EXTENSIONS = { plan: "gold", limits: { seats: 5 }, nothing: null };

describe.skipIf(isMissing)("Optional claims", () => {
  let app: App;
  let issuers: Issuers;
  let issuer: Issuer;
  let admin: Person;

  beforeAll(async () => {
    issuers = await startIssuers();
    issuer = issuers.add("employer");
    const claimNames = {
      name: "/name",
      email: "email",
      tags: "/realm/groups",
      applicationId: "/azp",
      profileId: "/https:~1~1example.com~1profile",
      extensions: "/ext",
      sessionId: "/sid",
    };
    const { name, jwksUri } = issuer;
    app = await startApp({
      TRUSTED_ISSUERS: JSON.stringify([{ issuer: name, jwksUri, audience: AUDIENCE, claimNames }]),
    });
    admin = await administrator(app);
  });
  afterAll(async () => {
    await app?.stop();
    await issuers?.stop();
  });

  const patch = (token: string, body: object) =>
    request(app, "PATCH /api/users/me", { token, body });
  const put = (id: string, body: object, token = admin.token) =>
    request(app, `PUT /api/users/${id}`, { token, body });
  const seenBy = async (id: string, { token }: Person) =>
    (await request(app, `GET /api/users/${id}`, { token })).body;

  it("are missing in the token of an account without values for them", async () => {
    const { token } = await registerVerified(app);
    expect(optional(claimsOf(token))).toEqual({});
    expect(optional((await request(app, "GET /api/protected", { token })).body.user)).toEqual({});
  });

  it("are in the tokens of a login and a refresh, once the user and staff have set them", async () => {
    const { id, username, token, refreshToken } = await registerVerified(app);
    const named = await patch(token, { name: "  Alice Müller " });
    expect([named.status, named.body.name]).toEqual([200, "Alice Müller"]);
    const tagged = await put(id, { tags: ["beta", "eu west"], extensions: EXTENSIONS });
    expect(tagged.body).toMatchObject({ tags: ["beta", "eu west"], extensions: EXTENSIONS });

    const expected = { name: "Alice Müller", tags: ["beta", "eu west"], extensions: EXTENSIONS };
    const refreshed = (await refresh(app, refreshToken)).body.access_token;
    const signedIn = (await login(app, username, PASSWORD)).token;
    for (const one of [refreshed, signedIn]) {
      expect(optional(claimsOf(one))).toEqual(expected);
      const { body } = await request(app, "GET /api/protected", { token: one });
      expect(optional(body.user)).toEqual(expected);
      const verified = await callFrom(app, "posts", "auth.verifyToken", { token: one });
      expect(optional(verified)).toEqual(expected);
    }

    expect((await patch(signedIn, { name: null })).body).not.toHaveProperty("name");
    await put(id, { tags: [], extensions: null });
    expect(optional(claimsOf((await login(app, username, PASSWORD)).token))).toEqual({});
  });

  it("are shown as the other fields of an account: the name to users, tags and extensions to staff and the owner", async () => {
    const [alice, bob] = [await register(app), await register(app)];
    await put(alice.id, { name: "Alice", tags: ["beta"], extensions: EXTENSIONS });
    expect(await seenBy(alice.id, bob)).toMatchObject({ name: "Alice" });
    for (const field of ["tags", "extensions", "email"])
      expect(await seenBy(alice.id, bob)).not.toHaveProperty(field);
    for (const viewer of [alice, admin])
      expect(await seenBy(alice.id, viewer)).toMatchObject({
        name: "Alice",
        tags: ["beta"],
        extensions: EXTENSIONS,
      });
  });

  it.each([
    { tags: ["beta"] },
    { extensions: { plan: "gold" } },
    { name: "" },
    { name: "   " },
    { name: "x".repeat(101) },
    { name: "a\u0007b" },
    { name: "\u202eecila" },
    { name: 5 },
    { applicationId: "mine" },
    { profileId: "mine" },
    { sessionId: "mine" },
  ])("cannot be set by a user to %j", async (body) => {
    const alice = await register(app);
    const before = await accountOf(app, alice);
    const { status, body: error } = await patch(alice.token, body);
    expect([status, error.type]).toEqual([422, "VALIDATION_ERROR"]);
    expect(await accountOf(app, alice)).toEqual(before);
  });

  it.each([
    ["tags in one text", { tags: "beta" }],
    ["21 tags", { tags: Array.from({ length: 21 }, (_, at) => `t${at}`) }],
    ["a tag twice", { tags: ["a", "a"] }],
    ["a tag of 41 characters", { tags: ["x".repeat(41)] }],
    ["a list as extensions", { extensions: [1] }],
    ["extensions of more than 1 KB", { extensions: { x: "é".repeat(520) } }],
    ["half a character in extensions", { extensions: { x: "\ud83d" } }],
    ["an applicationId", { applicationId: "mine" }],
  ])("cannot be set by staff to %s", async (_what, body) => {
    const alice = await register(app);
    const before = await accountOf(app, alice);
    const { status, body: error } = await put(alice.id, body);
    expect([status, error.type]).toEqual([422, "VALIDATION_ERROR"]);
    expect(await accountOf(app, alice)).toEqual(before);
  });

  it("have no prototype in extensions", async () => {
    const { id } = await register(app);
    const { token } = admin;
    for (const extensions of ['{"__proto__":{"a":1}}', '{"a":{"__proto__":{"a":1}}}']) {
      const body = `{"extensions":${extensions}}`;
      expect((await request(app, `PUT /api/users/${id}`, { token, body })).status).toBe(400);
      const params = { id, ...JSON.parse(body) };
      await expect(callFrom(app, "api", "users.update", params, { token })).rejects.toMatchObject({
        type: "VALIDATION_ERROR",
      });
    }
    expect((await accountOf(app, { id })).extensions).toBeNull();
  });

  it("name the application in the token of an EndUserApplication, and of no other program", async () => {
    for (const subjectType of ["EndUserApplication", "ServiceAccount", "ManagedServiceAccount"]) {
      const { body: created } = await request(app, "POST /api/auth/service-accounts", {
        token: admin.token,
        body: { name: `robot ${randomUUID()}`, permissions: [], subjectType },
      });
      const { client_id, client_secret } = created;
      const { body } = await request(app, "POST /api/auth/token", {
        body: { grant_type: "client_credentials", client_id, client_secret },
      });
      expect(optional(claimsOf(body.access_token))).toEqual(
        subjectType === "EndUserApplication" ? { applicationId: client_id } : {},
      );
    }
  });

  it("are taken from a trusted issuer's token as claimNames says, without values of a wrong type", async () => {
    const seen = async (claims: object) =>
      optional(await callFrom(app, "posts", "auth.verifyToken", { token: issuer.sign(claims) }));
    const claims = {
      name: "Alice",
      email: "alice@example.com",
      realm: { groups: ["staff"] },
      azp: "mobile",
      "https://example.com/profile": "p-1",
      ext: { plan: "gold" },
      sid: "s-1",
    };
    expect(await seen(claims)).toEqual({
      name: "Alice",
      email: "alice@example.com",
      tags: ["staff"],
      applicationId: "mobile",
      profileId: "p-1",
      extensions: { plan: "gold" },
      sessionId: "s-1",
    });
    expect(await seen({})).toEqual({});
    // claims that the setting does not name
    expect(await seen({ tags: ["beta"], applicationId: "x", extensions: { a: 1 } })).toEqual({});
    const wrong = { name: ["Alice"], email: 1, realm: "staff", azp: {}, ext: "gold", sid: null };
    expect(await seen({ ...claims, ...wrong })).toEqual({ profileId: "p-1" });
  });

  it("leave the names of changed fields in the audit trail, and no values", async () => {
    const alice = await register(app);
    await put(alice.id, { name: "Secret Name", tags: ["secret-tag"], extensions: { secret: 1 } });
    const entries = await auditOf(app, { event: "account.changed", userId: alice.id });
    expect(entries[0].data).toEqual({ fields: ["name", "tags", "extensions"] });
    expect(JSON.stringify(entries)).not.toMatch(/secret/i);
  });
});

describe.skipIf(isMissing)("ACCESS_TOKEN_EMAIL", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({ ACCESS_TOKEN_EMAIL: "true" });
  });
  afterAll(() => app?.stop());

  it("puts the user's address into access tokens once it is verified", async () => {
    const [alice, bob] = [await register(app), await registerVerified(app)];
    expect(optional(claimsOf(alice.token))).toEqual({});
    // it was not verified yet when this token was issued
    expect(optional(claimsOf(bob.token))).toEqual({});
    const { body } = await refresh(app, bob.refreshToken);
    expect(optional(claimsOf(body.access_token))).toEqual({ email: emailOf(bob) });
    const { token } = await login(app, alice.username, PASSWORD);
    expect(optional(claimsOf(token))).toEqual({});
    const issued = await auditOf(app, { event: "login.succeeded", userId: alice.id });
    expect(JSON.stringify(issued)).not.toContain("@example.com");
  });
});
