import { randomUUID } from "node:crypto";
import type { BrokerOptions, Context } from "moleculer";
import { sql } from "kysely";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Endpoint, type Handler, toMiddleware } from "../../lib/hooks.ts";
import { SIGNING_KEYS } from "../../lib/tokens/key-set.ts";
import { audienceOfStatement } from "../../lib/tokens/service-token.ts";
import { makeSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { forgeToken, proved } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, type Person, register, request } from "../helpers/http.ts";
import { statementsOf } from "../../middlewares/service-guard/statements.ts";
import { faultOf, headerOf, tokenFor } from "../helpers/tokens.ts";
import { without } from "../helpers/without.ts";

/** The actions by which a node could ask for auth's keys. */
const ASKED: ReadonlySet<unknown> = new Set(["auth.jwks", "auth.signedKeys"]);

const thief = readSigningKey(makeSigningKey("ES256"));
const ofThief = { keys: [thief.jwk] };

describe.skipIf(isMissing)("keys that another node returns in auth's place", () => {
  let app: App;
  let nats: NatsConnection;
  /** What the attacker answers; undefined: nothing. */
  let forged: (() => unknown) | undefined;
  /** The requests that the attacker has answered, by id. */
  const answered = new Set<string>();

  /** Lets auth answer only after the attacker has: whoever answers first is taken. */
  const slowAuth = toMiddleware({
    name: "SlowAuth",
    localAction:
      (next: Handler, { name }: Endpoint): Handler =>
      async (ctx: Context) => {
        if (ASKED.has(name) && forged)
          await vi.waitUntil(() => !forged || answered.has(ctx.id), { interval: 5 });
        return next(ctx);
      },
  });

  beforeAll(async () => {
    app = await startApp(
      {},
      {
        broker: ({ middlewares = [] }: BrokerOptions) => ({
          middlewares: [...middlewares, slowAuth],
        }),
      },
    );
    const { nodeID } = app.brokerOf("auth");
    const prefix = `MOL-${app.env.NAMESPACE}`;
    nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
    nats.subscribe(`${prefix}.REQ.${nodeID}`, {
      callback: (_error, message) => {
        const { action, id, sender } = JSON.parse(message.string());
        if (!ASKED.has(action) || !forged) return;
        const response = { ver: "5", sender: nodeID, id, success: true, meta: {}, data: forged() };
        nats.publish(`${prefix}.RES.${sender}`, JSON.stringify(response));
        void nats.flush().then(() => answered.add(id));
      },
    });
    await nats.flush();
  });
  afterAll(async () => {
    await nats?.close();
    await app?.stop();
  });

  /** Runs something while the attacker answers. */
  async function attacked<T>(answer: () => unknown, run: () => Promise<T>): Promise<T> {
    forged = answer;
    try {
      return await run();
    } finally {
      forged = undefined;
    }
  }

  /** Writes a post with a token that the thief has signed. @returns was it written, and how often were keys asked for? */
  async function write(answer: () => unknown) {
    const sub = randomUUID();
    const token = tokenFor(app, { sub, permissions: { posts: ["write"] } }, thief);
    const before = answered.size;
    const body = { title: "Hi", body: "There" };
    const response = await attacked(answer, () => request(app, "POST /api/posts", { token, body }));
    const posts = await request(app, `GET /api/posts?authorId=${sub}`);
    return { ...response, posts: posts.body.items, asked: answered.size - before };
  }

  it.each<[string, () => Promise<() => unknown>]>([
    ["alone", async () => () => ofThief],
    ["with nothing", async () => () => null],
    ["with a proof that is none", async () => () => ({ content: ofThief, token: 1, proof: {} })],
    [
      "with the proof of auth's own keys",
      async () => {
        const genuine = await callFrom(app, "posts", "auth.signedKeys");
        return () => ({ ...genuine, content: ofThief });
      },
    ],
    [
      "with the proof of another service",
      async () => {
        const broker = app.brokerOf("posts");
        const stated = await statementsOf(broker).make("posts", SIGNING_KEYS, ofThief);
        return () => stated;
      },
    ],
    [
      "with a token of auth's for something else",
      async () => {
        const broker = app.brokerOf("auth");
        const stated = await statementsOf(broker).make("auth", "something-else", ofThief);
        return () => stated;
      },
    ],
    [
      "with the token of another guard",
      async () => {
        const claims = { sub: "auth", aud: audienceOfStatement(SIGNING_KEYS) };
        const token = forgeToken(app, claims, thief);
        const target = { service: "auth", target: claims.aud, nodeID: "*", params: ofThief };
        const { "service-proof": proof } = proved(token, target);
        return () => ({ content: ofThief, token, proof });
      },
    ],
  ])("are not trusted %s", async (_what, prepare) => {
    const { status, body, posts, asked } = await write(await prepare());
    expect(asked).toBeGreaterThan(0);
    expect([status, body.type]).toEqual([503, "IdentityServiceNotAccessible"]);
    expect(posts).toEqual([]);
  });

  it("replace none that are known, nor keep a rotation from going on afterwards", async () => {
    const alice = await register(app);
    const admin = await administrator(app);
    expect(await faultOf(app, alice.token)).toBeUndefined();
    await attacked(
      () => ofThief,
      async () => {
        expect(await faultOf(app, alice.token)).toBeUndefined();
        await rotate(admin);
        const { token } = await login(app, alice.username, alice.password);
        expect(headerOf(token).kid).not.toBe(headerOf(alice.token).kid);
        expect(await faultOf(app, token)).not.toBeUndefined();
      },
    );
    const { token } = await login(app, alice.username, alice.password);
    await expect.poll(() => faultOf(app, token)).toBeUndefined();
    expect(await faultOf(app, alice.token)).toBeUndefined();
    expect(await faultOf(app, tokenFor(app, {}, thief))).toBe("SigningKeyNotFound");
  });

  it.each(["guard", "auth"])("are not needed while %s is away: known keys go on", async (name) => {
    const alice = await register(app);
    await expect.poll(() => faultOf(app, alice.token)).toBeUndefined();
    await without(app, name, async () => {
      const { status } = await request(app, "POST /api/posts", {
        token: alice.token,
        body: { title: "Hi", body: "There" },
      });
      expect(status).toBe(201);
    });
    await expect.poll(() => faultOf(app, alice.token)).toBeUndefined();
  });

  /** Makes the next key, and lets the time pass until it signs. */
  async function rotate({ token }: Person): Promise<void> {
    await callFrom(app, "api", "auth.rotateKeys", {}, { token });
    const { db, keys } = app.service("auth") as any;
    await sql`update auth.signing_keys set signs_from = signs_from - interval '20 s'`.execute(db);
    await keys.load();
  }
});
