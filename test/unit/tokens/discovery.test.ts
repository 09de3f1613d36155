import { afterEach, describe, expect, it, vi } from "vitest";
import { discoverKeySet } from "../../../lib/tokens/discovery.ts";

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
