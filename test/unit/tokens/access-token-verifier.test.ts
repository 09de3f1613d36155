import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ACCESS_TOKEN_TYPE } from "../../../lib/tokens/access-token.ts";
import { signJwt } from "../../../lib/tokens/jwt.ts";
import type { Jwk } from "../../../lib/tokens/key-set.ts";
import { Revocations } from "../../../lib/tokens/revocations.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";
import { AccessTokenVerifier } from "../../../lib/tokens/access-token-verifier.ts";

const ISSUER = "https://citadel.example.com";
const key = readSigningKey(await generateSigningKey("ES256"));

/** A token with this lifetime in seconds. */
function sign(lifetime: number): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: ISSUER,
    sub: randomUUID(),
    iat,
    exp: iat + lifetime,
    jti: randomUUID(),
    client_id: "first-party",
    sid: randomUUID(),
    generation: 1,
    username: "alice",
    roles: ["user"],
    permissions: {},
    tenantId: "t",
    environmentId: "e",
    subjectType: "EndUserAccount",
  };
  return signJwt(claims, { ...key, typ: ACCESS_TOKEN_TYPE });
}

describe("A verified access token", () => {
  let keys: Jwk[];
  let isUnavailable: boolean;
  const make = () => {
    const revocations = new Revocations({ fetch: async () => ({ sessions: [] }) });
    revocations.stop();
    return new AccessTokenVerifier({
      issuer: ISSUER,
      tenantId: "t",
      environmentId: "e",
      trustedIssuers: [],
      permissionsOf: () => [],
      revocations,
      onOutage: () => {},
      fetchKeys: async () => {
        if (isUnavailable) throw new Error("unreachable");
        return { keys };
      },
    });
  };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
    keys = [key.jwk];
    isUnavailable = false;
  });
  afterEach(() => vi.useRealTimers());

  const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);
  const typeOf = async (verifier: AccessTokenVerifier, token: string) => {
    try {
      await verifier.verify(token);
      return "valid";
    } catch (error) {
      return (error as { type: string }).type;
    }
  };

  it("expires to the second, cached or not", async () => {
    const token = sign(60);
    const verifier = make();
    expect(await typeOf(verifier, token)).toBe("valid");
    pass(61);
    expect(await typeOf(verifier, token)).toBe("AccessTokenExpired");
    expect(await typeOf(make(), token)).toBe("AccessTokenExpired");
  });

  it("is refused after its key was withdrawn, when the keys are fetched again", async () => {
    const verifier = make();
    const token = sign(3_600);
    expect(await typeOf(verifier, token)).toBe("valid");
    keys = [];
    expect(await typeOf(verifier, token)).toBe("valid");
    pass(600);
    await expect.poll(() => typeOf(verifier, token)).toBe("SigningKeyNotFound");
  });

  it("stays valid while the issuer is unavailable", async () => {
    const verifier = make();
    const [token, another] = [sign(3_600), sign(3_600)];
    expect(await typeOf(verifier, token)).toBe("valid");
    isUnavailable = true;
    pass(1_800);
    for (const one of [token, another]) expect(await typeOf(verifier, one)).toBe("valid");
    expect(await typeOf(make(), token)).toBe("IdentityServiceNotAccessible");
  });
});
