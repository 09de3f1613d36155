import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CitadelError } from "../../lib/errors.ts";
import { CallTokens, type ExchangeRequest } from "../../middlewares/service-guard/call-tokens.ts";

describe("call tokens", () => {
  let asked: ExchangeRequest[];
  let isAway: boolean;
  let tokens: CallTokens;
  let stranger: string;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    asked = [];
    isAway = false;
    stranger = "stranger";
    tokens = new CallTokens({
      credential: (service) => (service === stranger ? undefined : `credential of ${service}`),
      exchange: async (request) => {
        asked.push(request);
        if (isAway) throw new Error("nobody there");
        return { token: `token ${asked.length}`, expiresIn: 62 };
      },
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const get = async (caller = "posts", audience = "users") =>
    (await tokens.get(caller, audience))?.token;

  it("are had by one exchange at a time, for each caller and audience", async () => {
    const got = await Promise.all(Array.from({ length: 20 }, () => get()));
    expect(new Set(got)).toEqual(new Set(["token 1"]));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      service: "posts",
      audience: "users",
      credential: "credential of posts",
      jwk: { kty: "EC", crv: "P-256" },
    });
    await get("posts", "auth");
    await get("chat", "users");
    expect(asked).toHaveLength(3);
    expect(asked[2]?.jwk).not.toEqual(asked[0]?.jwk);
  });

  it("are at hand at once when they have been had", async () => {
    await get();
    expect(tokens.get("posts", "users")).toEqual({ token: "token 1" });
  });

  it("are none for a service without a credential", () => {
    expect(tokens.get("stranger", "users")).toBeUndefined();
  });

  it("go on while the credential cannot be read, until they end", async () => {
    await get();
    stranger = "posts";
    vi.setSystemTime(59_000);
    expect(tokens.get("posts", "users")).toEqual({ token: "token 1" });
    vi.setSystemTime(61_000);
    expect(tokens.get("posts", "users")).toBeUndefined();
  });

  it("are renewed in the background when two thirds of their life are over", async () => {
    await get();
    vi.setSystemTime(41_000);
    expect(tokens.get("posts", "users")).toEqual({ token: "token 1" });
    await vi.waitFor(() => expect(tokens.get("posts", "users")).toEqual({ token: "token 2" }));
    expect(asked).toHaveLength(2);
  });

  it("outlive a short absence of the guard; a long one ends in GuardNotAccessible", async () => {
    await get();
    isAway = true;
    vi.setSystemTime(59_000);
    expect(await get()).toBe("token 1");
    vi.setSystemTime(61_000);
    await expect(get()).rejects.toMatchObject({ type: "GuardNotAccessible", code: 503 });
    isAway = false;
    expect(await get()).toMatch(/^token \d+$/);
  });

  it("are renewed once in a second, not at each call, while the guard is away and they live", async () => {
    await get();
    isAway = true;
    vi.setSystemTime(50_000);
    for (let at = 0; at < 5; at++) expect(await get()).toBe("token 1");
    await vi.waitFor(() => expect(asked).toHaveLength(3)); // twice, as below
    for (let at = 0; at < 5; at++) expect(await get()).toBe("token 1");
    expect(asked).toHaveLength(3);
    vi.setSystemTime(51_000);
    isAway = false;
    await get();
    await vi.waitFor(async () => expect(await get()).toBe("token 4"));
  });

  it("are asked for twice, since one guard node may have gone, and a refusal is taken at once", async () => {
    let asks = 0;
    const once = new CallTokens({
      credential: () => "credential",
      exchange: async () => {
        asks += 1;
        if (asks === 1) throw new Error("gone");
        throw new CitadelError("ServiceTokenInvalid");
      },
    });
    await expect(once.get("posts", "users")).rejects.toMatchObject({ type: "ServiceTokenInvalid" });
    expect(asks).toBe(2);
    await expect(once.get("posts", "users")).rejects.toMatchObject({ type: "ServiceTokenInvalid" });
    expect(asks).toBe(3);
  });
});
