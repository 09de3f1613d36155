import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AccessTokenVerifier } from "../../../lib/tokens/access-token-verifier.ts";
import { discoverKeySet } from "../../../lib/tokens/discovery.ts";
import { signJwt } from "../../../lib/tokens/jwt.ts";
import { Revocations } from "../../../lib/tokens/revocations.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";

/** Makes fetch return these documents by their URLs, and 404 for all others. */
function publish(documents: Record<string, object>) {
  const respond = vi.fn<(url: string) => Promise<Response>>(async (url) => {
    const document = documents[url];
    return document ? Response.json(document) : new Response(null, { status: 404 });
  });
  vi.stubGlobal("fetch", respond);
  return respond;
}
const discover = (issuer: string) => discoverKeySet(issuer, AbortSignal.timeout(5_000));

// over https, which the stand-in issuers of other tests do not speak
describe("The keys of an https issuer", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it.each([
    ["https://id.example.com", "/.well-known/oauth-authorization-server"],
    ["https://id.example.com/", "/.well-known/oauth-authorization-server"],
    ["https://id.example.com/a/b", "/.well-known/oauth-authorization-server/a/b"],
    ["https://id.example.com/a/b/", "/.well-known/oauth-authorization-server/a/b"],
  ])("are looked for below %s, in the order of the standards", async (issuer, path) => {
    const fetch = publish({});
    const base = issuer.replace(/\/$/, "");
    expect(await discover(issuer)).toBe(`${base}/.well-known/jwks.json`);
    expect(fetch.mock.calls.map(([url]) => url)).toEqual([
      `${base}/.well-known/openid-configuration`,
      `https://id.example.com${path}`,
    ]);
  });

  it.each(["http://localhost:1/keys", "http://127.0.0.1/keys", "http://id.example.com/keys"])(
    "are not fetched from %s",
    async (uri) => {
      const issuer = "https://id.example.com";
      publish({ [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: uri } });
      await expect(discover(issuer)).rejects.toThrow(/no https URL/);
    },
  );

  it("may be on another host", async () => {
    const issuer = "https://id.example.com";
    const uri = "https://keys.example.net/1";
    publish({ [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: uri } });
    expect(await discover(issuer)).toBe(uri);
  });
});

describe("A token whose issuer's keys were discovered", () => {
  const issuer = "https://id.example.com";
  const metadataUrl = `${issuer}/.well-known/openid-configuration`;
  const metadata = (path: string) => ({ issuer, jwks_uri: `${issuer}${path}` });

  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("stays valid without metadata, and is refused after the metadata names other keys", async () => {
    const key = readSigningKey(await generateSigningKey("ES256"));
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: "citadel", sub: "alice", jti: "1", iat, exp: iat + 7_200 };
    const token = signJwt(claims, { ...key, typ: "JWT" });
    const revocations = new Revocations({ fetch: async () => ({ sessions: [] }) });
    revocations.stop();
    const onOutage = vi.fn<(issuer: string, error: unknown) => void>();
    const verifier = new AccessTokenVerifier({
      issuer: "https://citadel.example.com",
      tenantId: "t",
      environmentId: "e",
      trustedIssuers: [{ issuer, audience: "citadel" }],
      permissionsOf: () => [],
      revocations,
      onOutage,
      fetchKeys: async () => ({ keys: [] }),
    });
    const typeOf = async () => {
      try {
        await verifier.verify(token);
        return "valid";
      } catch (error) {
        return (error as { type: string }).type;
      }
    };
    const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

    const keys = { [`${issuer}/a`]: { keys: [key.jwk] }, [`${issuer}/b`]: { keys: [] } };
    publish({ ...keys, [metadataUrl]: metadata("/a") });
    expect(await typeOf()).toBe("valid");

    publish({ ...keys, [metadataUrl]: { ...metadata("/b"), issuer: "https://evil.example" } });
    pass(601);
    expect(await typeOf()).toBe("valid");
    await expect.poll(() => onOutage.mock.calls.length).toBe(1);
    expect(await typeOf()).toBe("valid");

    publish({ ...keys, [metadataUrl]: metadata("/b") });
    pass(6);
    await expect.poll(typeOf).toBe("SigningKeyNotFound");
  });
});
