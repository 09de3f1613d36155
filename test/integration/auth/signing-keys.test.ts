import { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ACCESS_TOKEN_TYPE } from "../../../lib/tokens/access-token.ts";
import { Encryption, makeEncryptionKey } from "../../../lib/encryption.ts";
import { verifyJwt } from "../../../lib/tokens/jwt.ts";
import { KeySet } from "../../../lib/tokens/key-set.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";
import { SigningKeys } from "../../../services/auth/signing-keys/signing-keys.ts";
import { SigningKeysRepository } from "../../../services/auth/signing-keys/signing-keys.repository.ts";
import { brokerOptions, configure } from "../../../moleculer.config.ts";
import { type App, isMissing, restart, startApp, topology } from "../../helpers/app.ts";
import { steal, stolenKey } from "../../helpers/attacker.ts";
import { auditOf } from "../../helpers/audit.ts";
import { callFrom } from "../../helpers/call.ts";
import { administrator, login, type Person, register, request } from "../../helpers/http.ts";
import { faultOf, headerOf, tokenFor } from "../../helpers/tokens.ts";

const ISSUER = "http://localhost:3000";

const jwksOf = async (app: App) => (await request(app, "GET /.well-known/jwks.json")).body.keys;
const kidsOf = async (app: App) => (await jwksOf(app)).map(({ kid }: any) => kid);

/** Whether a client that fetches the published keys now can verify the token. */
async function isVerifiable(app: App, token: string): Promise<boolean> {
  const keys = new KeySet({ fetch: async () => ({ keys: await jwksOf(app) }) });
  const key = await keys.get(headerOf(token).kid);
  if (!key) return false;
  const rules = { issuer: ISSUER, audience: ISSUER, maxLifetime: 600 };
  return verifyJwt(token, key, { typ: ACCESS_TOKEN_TYPE, ...rules }).sub !== "";
}

const authOf = (app: App): any => app.service("auth");

/** Makes all keys older by this many seconds. */
async function age(app: App, seconds: number): Promise<void> {
  const { db, keys } = authOf(app);
  for (const { kid, signs_from, created_at } of await db
    .selectFrom("signing_keys")
    .selectAll()
    .orderBy("signs_from")
    .execute())
    await db
      .updateTable("signing_keys")
      .set({
        signs_from: new Date(signs_from.getTime() - seconds * 1000),
        created_at: new Date(created_at.getTime() - seconds * 1000),
      })
      .where("kid", "=", kid)
      .execute();
  await keys.load();
}

describe.skipIf(isMissing)("Signing keys", () => {
  let app: App;
  let admin: Person;

  /** The keys of another node of auth, on the same database. */
  const anotherNode = (options: { maxAge?: number; encryption?: Encryption } = {}) =>
    new SigningKeys({
      repository: new SigningKeysRepository(authOf(app).db, authOf(app).events),
      encryption: new Encryption(steal(app, "auth", "encryption_key")),
      alg: "RS256",
      maxAge: 3600,
      ...options,
    });

  const rotate = (token: string) => request(app, "POST /api/auth/keys/rotate", { token });

  beforeAll(async () => {
    app = await startApp();
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());

  /** Each test begins with one key, which signs. */
  beforeEach(async () => {
    await age(app, 3600);
    await authOf(app).purge();
  });

  it("are RSA keys of 2048 bits by default, and are stored encrypted", async () => {
    const keys = await jwksOf(app);
    expect(keys).toEqual([
      expect.objectContaining({ kty: "RSA", alg: "RS256", use: "sig", kid: expect.any(String) }),
    ]);
    expect(Buffer.from(keys[0].n, "base64url")).toHaveLength(256);
    for (const secret of ["d", "p", "q"]) expect(keys[0]).not.toHaveProperty(secret);
    const rows = await authOf(app).db.selectFrom("signing_keys").selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain("PRIVATE");
  });

  it("cannot be rotated without the permission or by others than staff", async () => {
    const { token } = await register(app);
    const operate = { permissions: { auth: ["operate"] } };
    const program = tokenFor(app, { ...operate, subjectType: "ServiceAccount" });
    const impersonator = tokenFor(app, { ...operate, subjectType: "ImpersonatedUserAccount" });
    for (const one of [token, program, impersonator])
      expect((await rotate(one)).body.type).toBe("UserNotAuthorized");
    expect((await rotate("")).status).toBe(401);
    expect(await kidsOf(app)).toHaveLength(1);
  });

  it("are published before they sign, and until their tokens have expired", async () => {
    const before = await register(app);
    const [old] = await kidsOf(app);
    // two requests before the new key signs create one key
    const [{ status, body }, ...others] = await Promise.all([
      rotate(admin.token),
      rotate(admin.token),
    ]);
    expect(status).toBe(200);
    expect(others[0]?.body.kid).toBe(body.kid);
    expect(body).toEqual({ kid: expect.any(String), alg: "RS256", signsFrom: expect.any(String) });
    expect(Date.parse(body.signsFrom)).toBeGreaterThan(Date.now() + 5_000);
    expect((await auditOf(app, { event: "signing-key.rotated" }))[0]).toMatchObject({
      actor: "admin",
      data: { kid: body.kid },
    });
    expect(await kidsOf(app)).toEqual([old, body.kid]);
    expect(headerOf((await register(app)).token).kid).toBe(old);

    await age(app, 20);
    const after = await register(app);
    expect(headerOf(after.token).kid).toBe(body.kid);
    expect(stolenKey(app, "auth").kid).toBe(body.kid);
    for (const { token } of [before, after]) expect(await isVerifiable(app, token)).toBe(true);
    expect(await faultOf(app, before.token)).toBeUndefined();

    await authOf(app).purge();
    expect(await kidsOf(app)).toEqual([old, body.kid]);
    await age(app, 700);
    await authOf(app).purge();
    expect(await kidsOf(app)).toEqual([body.kid]);
  });

  const overNats = topology === "nats" ? it : () => {};

  overNats("are published by every node of auth as soon as one creates them", async () => {
    const broker = new ServiceBroker({
      ...brokerOptions(configure(app.env)),
      skipProcessEventRegistration: true,
    });
    const file = new URL("../../../services/auth/auth.service.ts", import.meta.url).pathname;
    const other: any = broker.loadService(file);
    await broker.start();
    try {
      await broker.waitForServices(["guard", "auth"], 10_000, 20);
      const event = "signing-keys.changed";
      for (const { registry } of [broker, app.brokerOf("auth")])
        await expect
          .poll(() => registry.events.getAllEndpoints(event, null as never))
          .toHaveLength(2);
      const { keys } = authOf(app);
      expect(other.keys.current.kid).toBe(keys.current.kid);
      const { kid } = await callFrom(app, "api", "auth.rotateKeys", {}, { token: admin.token });
      for (const node of [other, authOf(app)])
        await expect
          .poll(() => node.keys.published.map((jwk: any) => jwk.kid), { timeout: 4_000 })
          .toContain(kid);
      for (const node of [other, authOf(app)]) expect(node.keys.current.kid).not.toBe(kid);
    } finally {
      await broker.stop();
    }
  });

  it("are replaced when they are too old, by one of several nodes", async () => {
    const nodes = [anotherNode({ maxAge: 1800 }), anotherNode({ maxAge: 1800 })];
    const created = await Promise.all(nodes.map((node) => node.check()));
    expect(created.filter(Boolean)).toHaveLength(1);
    // every node does so each few seconds
    await authOf(app).keys.check();
    const kids = await kidsOf(app);
    expect(kids).toHaveLength(2);
    for (const node of nodes) expect(node.published.map(({ kid }) => kid)).toEqual(kids);
    expect(await Promise.all(nodes.map((node) => node.check()))).toEqual([undefined, undefined]);
  });

  it("are created once when two nodes start for the first time together, and sign at once", async () => {
    await authOf(app).db.deleteFrom("signing_keys").execute();
    const nodes = [anotherNode(), anotherNode()];
    await Promise.all(nodes.map((node) => node.open(false)));
    await authOf(app).keys.load();
    const kids = await kidsOf(app);
    expect(kids).toHaveLength(1);
    for (const node of nodes) expect(node.current.kid).toBe(kids[0]);
    expect(headerOf((await register(app)).token).kid).toBe(kids[0]);
  });

  it("stop the start of auth if AUTH_ENCRYPTION_KEY cannot decrypt them", async () => {
    const encryption = new Encryption(makeEncryptionKey());
    await expect(anotherNode({ encryption }).open(false)).rejects.toThrow(
      /cannot be decrypted with AUTH_ENCRYPTION_KEY.* add the previous key/,
    );
    expect(await kidsOf(app)).toHaveLength(1);
  });

  it("cannot be inserted into the database without the encryption key", async () => {
    const { db, keys } = authOf(app);
    const pem = await generateSigningKey("ES256");
    const { kid } = readSigningKey(pem);
    const [row] = await db.selectFrom("signing_keys").selectAll().execute();
    for (const private_key of [pem, row.private_key]) {
      const signs_from = new Date(Date.now() - 1000);
      const values = { kid, alg: "ES256", private_key, signs_from };
      await db.insertInto("signing_keys").values(values).execute();
      await expect(keys.load()).rejects.toThrow(/cannot be decrypted/);
      expect(await kidsOf(app)).toEqual([row.kid]);
      expect(keys.current.kid).toBe(row.kid);
      await db.deleteFrom("signing_keys").where("kid", "=", kid).execute();
    }
  });

  it("are P-256 keys after a restart with ACCESS_TOKEN_ALG=ES256; old tokens stay valid", async () => {
    const alice = await register(app);
    app = await restart(app, { ACCESS_TOKEN_ALG: "ES256" });
    expect((await jwksOf(app)).map(({ alg }: any) => alg)).toEqual(["RS256", "ES256"]);
    expect(await faultOf(app, alice.token)).toBeUndefined();
    // over NATS a new key signs later
    if (topology === "nats") await age(app, 20);
    const { token } = await login(app, alice.username, alice.password);
    expect(headerOf(token).alg).toBe("ES256");
    expect(await isVerifiable(app, token)).toBe(true);
  });
});
