import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signProof } from "../../lib/tokens/request-proof.ts";
import { signCallToken } from "../../lib/tokens/service-token.ts";
import { makeSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Attacker, startAttacker, stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";

const runs: unknown[] = [];

const handler = (ctx: Context) => {
  runs.push(ctx.params);
  return { ran: true };
};

const mint: ServiceSchema = {
  name: "mint",
  actions: {
    coin: { restricted: ["posts"], auth: "none", proof: "request", handler },
    note: { restricted: ["posts"], auth: "none", proof: "request", handler },
  },
} as ServiceSchema;

describe.skipIf(isMissing)('an action with proof: "request"', () => {
  let app: App;
  let attacker: Attacker;
  const key = readSigningKey(makeSigningKey("ES256"));

  beforeAll(async () => {
    app = await startApp({}, { services: [mint] });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });
  beforeEach(() => {
    runs.length = 0;
  });

  /** A call token of posts that is bound to a key, as a thief of both would have. */
  const boundToken = (sub = "posts") =>
    signCallToken(stolenKey(app, "guard"), {
      sub,
      aud: "mint",
      cid: "c",
      lifetime: 60,
      cnf: { jwk: key.jwk },
    });

  const request = (token: string, changes: object = {}) => ({
    service: "posts",
    target: "mint.coin",
    nodeID: app.brokerOf("mint").nodeID,
    params: { value: 1 },
    token,
    ...changes,
  });

  const prove = (token: string, changes: object = {}, by = key) =>
    signProof({ ...by, alg: "ES256" }, request(token, changes));

  const coin = (
    token: string,
    proof: unknown,
    params: object = { value: 1 },
    action = "mint.coin",
  ) =>
    attacker.call(action, params, { headers: { "service-token": token, "service-proof": proof } });

  const refused = async (calling: Promise<unknown>) => {
    await expect(calling).rejects.toMatchObject({ type: "ServiceTokenInvalid" });
    expect(runs).toEqual([]);
  };

  it("runs for a listed service, which proves each request by itself", async () => {
    await callFrom(app, "posts", "mint.coin", { value: 1 });
    await callFrom(app, "posts", "mint.coin", { value: 2, at: new Date(0), none: undefined });
    expect(runs).toHaveLength(2);
    await expect(callFrom(app, "users", "mint.coin", {})).rejects.toMatchObject({
      type: "ServiceNotAuthorized",
    });
    expect(runs).toHaveLength(2);
  });

  it("runs once for one proof", async () => {
    const token = boundToken();
    const proof = prove(token);
    await coin(token, proof);
    runs.length = 0;
    await refused(coin(token, proof));
  });

  it.each<[string, () => Promise<unknown>]>([
    ["without a proof", () => coin(boundToken(), undefined)],
    [
      "with a token that is bound to no key",
      () => {
        const token = signCallToken(stolenKey(app, "guard"), {
          sub: "posts",
          aud: "mint",
          cid: "c",
          lifetime: 60,
        } as never);
        return coin(token, prove(token));
      },
    ],
    [
      "with other parameters",
      () => {
        const token = boundToken();
        return coin(token, prove(token), { value: 1_000_000 });
      },
    ],
    [
      "for another action",
      () => {
        const token = boundToken();
        return coin(token, prove(token), { value: 1 }, "mint.note");
      },
    ],
    [
      "with a proof for another node",
      () => {
        const token = boundToken();
        return coin(token, prove(token, { nodeID: "another" }));
      },
    ],
    ["with another token than the proof's", () => coin(boundToken(), prove(boundToken()))],
    [
      "with a proof of another service",
      () => {
        const token = boundToken();
        return coin(token, prove(token, { service: "api" }));
      },
    ],
    [
      "with a proof by another key",
      () => {
        const token = boundToken();
        return coin(token, prove(token, {}, readSigningKey(makeSigningKey("ES256"))));
      },
    ],
    [
      "with the token as its proof",
      () => {
        const token = boundToken();
        return coin(token, token);
      },
    ],
    ["with nonsense", () => coin(boundToken(), "nonsense")],
  ])("does not run %s", async (_what, calling) => {
    await refused(calling());
  });
});
