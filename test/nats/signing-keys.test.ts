import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { connectRaw, type RawClient, startPlainNode, startThief } from "../helpers/attacker.ts";
import { register, request } from "../helpers/http.ts";
import { faultOf, tokenFor } from "../helpers/tokens.ts";
import { without } from "../helpers/without.ts";

const thiefsKey = readSigningKey(await generateSigningKey("ES256"));

/** Says to be auth, and publishes the thief's key. */
const impostor = {
  name: "auth",
  actions: {
    jwks: { restricted: null, auth: "none", handler: () => ({ keys: [thiefsKey.jwk] }) },
  },
};

describe.skipIf(isMissing)("the keys that access tokens are signed with", () => {
  let app: App;
  let raw: RawClient;

  beforeAll(async () => {
    app = await startApp();
    raw = await connectRaw(app);
  });
  afterAll(async () => {
    await raw?.close();
    await app?.stop();
  });

  /** Writes a post with a token that the thief has signed. */
  async function write(): Promise<{ type: string; posts: unknown[] }> {
    const sub = randomUUID();
    const token = tokenFor(app, { sub, permissions: { posts: ["write"] } }, thiefsKey);
    const body = { title: "Hi", body: "There" };
    const response = await request(app, "POST /api/posts", { token, body });
    const posts = await request(app, `GET /api/posts?authorId=${sub}`);
    return { type: response.body.type, posts: posts.body.items };
  }

  it("come from auth alone, whoever else announces and responds", async () => {
    const plain = await startPlainNode(app, { services: [impostor] });
    const thief = await startThief(app, { services: [{ name: "posts" }, impostor] });
    // answers every packet before auth can, as far as it can be told what is asked
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
    const alice = await register(app);
    expect(await faultOf(app, alice.token)).toBeUndefined();
    answering.unsubscribe();
    await thief.stop();
    await plain.stop();
  });

  it.each(["guard", "auth"])("are not asked for while %s is unavailable", async (name) => {
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
});
