import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { connectRaw, type RawClient, startPlainNode, startThief } from "../helpers/attacker.ts";
import { request } from "../helpers/http.ts";
import { faultOf, tokenFor } from "../helpers/tokens.ts";
import { without } from "../helpers/without.ts";

const thiefsKey = readSigningKey(await generateSigningKey("ES256"));

/** A service that announces itself as auth and publishes the thief's key. */
const impostor = {
  name: "auth",
  actions: {
    jwks: { restricted: null, auth: "none", handler: () => ({ keys: [thiefsKey.jwk] }) },
  },
};

describe.skipIf(isMissing)("The public keys that verify access tokens", () => {
  const app = application({});
  let raw: RawClient;

  beforeAll(async () => {
    raw = await connectRaw(app);
  });
  afterAll(() => raw?.close());

  /** Sends a post with an access token that the thief has signed. */
  async function write(): Promise<{ type: string; posts: unknown[] }> {
    const sub = randomUUID();
    const token = tokenFor(app, { sub, permissions: { posts: ["write"] } }, thiefsKey);
    const body = { title: "Hi", body: "There" };
    const response = await request(app, "POST /api/posts", { token, body });
    const posts = await request(app, `GET /api/posts?authorId=${sub}`);
    return { type: response.body.type, posts: posts.body.items };
  }

  it("come from auth, even if another node announces auth or responds first", async () => {
    const plain = await startPlainNode(app, { services: [impostor] });
    const thief = await startThief(app, { services: [{ name: "posts" }, impostor] });
    // responds to every packet before auth can
    const answering = raw.nats.subscribe(`${raw.prefix}.>`, {
      callback: (_error, { subject }) => {
        const data = { keys: [thiefsKey.jwk] };
        const { nodeID: sender } = app.brokerOf("auth");
        const response = { ver: "5", sender, id: randomUUID(), success: true, meta: {}, data };
        const to = subject.slice(`${raw.prefix}.SEAL.`.length);
        raw.nats.publish(`${raw.prefix}.RES.${to}`, JSON.stringify(response));
      },
    });
    await raw.nats.flush();
    expect(await write()).toEqual({ type: "SigningKeyNotFound", posts: [] });
    const alice = await app.register();
    expect(await faultOf(app, alice.token)).toBeUndefined();
    answering.unsubscribe();
    await thief.stop();
    await plain.stop();
  });

  it.each(["guard", "auth"])("need not be fetched again while %s is unavailable", async (name) => {
    const alice = await app.register();
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
});
