import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import { loadContracts } from "../../../lib/contract/load.ts";

const issuer = {
  issuer: "https://id.example.com/",
  jwksUri: "https://id.example.com/jwks.json",
  audience: "citadel",
};

/** The trusted issuers of a configuration with this setting. */
const load = (issuers: unknown, env: object = {}) =>
  loadConfig(
    { ...env, TRUSTED_ISSUERS: typeof issuers === "string" ? issuers : JSON.stringify(issuers) },
    loadContracts(),
    ["user"],
  ).trustedIssuers;

describe("TRUSTED_ISSUERS", () => {
  it("gives the issuers, with header names in lower case", () => {
    const mapped = { ...issuer, roles: { editors: ["user"] }, rolesClaim: "groups" };
    expect(load([{ ...mapped, header: "Cf-Access-Jwt-Assertion" }])).toEqual([
      { ...mapped, header: "cf-access-jwt-assertion" },
    ]);
    expect(load("")).toEqual([]);
  });

  it("allows http for jwksUri only to loopback, and only in development", () => {
    for (const host of ["127.0.0.1:1", "localhost", "[::1]:1"]) {
      const local = { ...issuer, jwksUri: `http://${host}/keys` };
      expect(load([local])).toEqual([local]);
      const production = {
        NODE_ENV: "production",
        SERVICES: "api",
        API_AUTH_TOKEN: "a credential",
      };
      expect(() => load([local], production)).toThrow(/entry 1: jwksUri must be an https URL/);
    }
  });

  it("needs no jwksUri, and accepts every audience only if it is null", () => {
    const alone = { issuer: "https://id.example.com/", audience: null };
    expect(load([alone])).toEqual([alone]);
    const pinned = { ...alone, tenantId: "t", environmentId: "e", claims: { account: "ours" } };
    expect(load([pinned])).toEqual([pinned]);
    const local = { issuer: "http://localhost:1/realm", audience: "citadel" };
    expect(load([local])).toEqual([local]);
    const production = { NODE_ENV: "production", SERVICES: "api", API_AUTH_TOKEN: "a credential" };
    expect(() => load([local], production)).toThrow(/issuer must be an https URL .* if jwksUri/);
  });

  it.each<[string, unknown, RegExp]>([
    ["invalid JSON", "[{", /TRUSTED_ISSUERS must be a JSON list/],
    ["no list", issuer, /must be a JSON list/],
    [
      "an issuer alone",
      ["https://id.example.com/"],
      /entry 1: audience is missing; write .* or null/,
    ],
    ["a list of numbers", [1], /must be a JSON list/],
    ["an empty issuer", [{ ...issuer, issuer: "" }], /entry 1: issuer must be a string/],
    ["no audience", [{ ...issuer, audience: undefined }], /entry 1: audience is missing/],
    ["two audiences", [{ ...issuer, audience: ["a"] }], /audience must be a string or null/],
    ["an empty audience", [{ ...issuer, audience: "" }], /audience must be a string or null/],
    ["an empty jwksUri", [{ ...issuer, jwksUri: "" }], /jwksUri must/],
    ...[
      "id.example.com",
      "http://id.example.com",
      "https://id.example.com/?a",
      "https://a:b@c/",
    ].map((name): [string, unknown, RegExp] => [
      `the issuer ${name} without jwksUri`,
      [{ issuer: name, audience: "citadel" }],
      /issuer must be an https URL without a password, query or fragment if jwksUri is left out/,
    ]),
    ["a tenant that is no string", [{ ...issuer, tenantId: 1 }], /tenantId must be a string/],
    ["an empty environment", [{ ...issuer, environmentId: "" }], /environmentId must be a string/],
    ["claims that are no strings", [{ ...issuer, claims: { a: 1 } }], /claims must be like/],
    ["a URL without TLS", [{ ...issuer, jwksUri: "http://id.example.com/" }], /jwksUri must/],
    [
      "a host that only looks like loopback",
      [{ ...issuer, jwksUri: "http://127.0.0.1.nip.io/" }],
      /jwksUri must/,
    ],
    ["a file URL", [{ ...issuer, jwksUri: "file:///etc/passwd" }], /jwksUri must/],
    [
      "a URL with a password",
      [{ ...issuer, jwksUri: "https://a:b@id.example.com/" }],
      /jwksUri must/,
    ],
    ["our own issuer", [{ ...issuer, issuer: "http://localhost:3000" }], /is our own ISSUER/],
    ["a repeated issuer", [issuer, issuer], /entry 2: its issuer is already listed/],
    [
      "a repeated header",
      [
        { ...issuer, header: "X-Assertion" },
        { ...issuer, issuer: "https://other.example.com/", header: "x-assertion" },
      ],
      /entry 2: its header is another entry's; use one/,
    ],
    ["an unknown role", [{ ...issuer, roles: { a: ["king"] } }], /'king' is not one of our roles/],
    ["roles of the wrong form", [{ ...issuer, roles: { a: "user" } }], /roles must be like/],
    ["the header Authorization", [{ ...issuer, header: "authorization" }], /other than Authorizat/],
    ["an unknown subject type", [{ ...issuer, subjectType: "God" }], /one of the subject types/],
    ["a claim that is no string", [{ ...issuer, rolesClaim: 1 }], /rolesClaim must be a string/],
    [
      "claims of the wrong form",
      [{ ...issuer, claimNames: { name: 1 } }],
      /claimNames must be like/,
    ],
    ["a list of claims", [{ ...issuer, claimNames: ["/name"] }], /claimNames must be like/],
    [
      "a claim that no issuer decides",
      [{ ...issuer, claimNames: { roles: "/roles" } }],
      /claimNames: 'roles' is none of name, email, tags/,
    ],
    ["an unknown key", [{ ...issuer, role: {} }], /'role' is not a known key/],
  ])("stops the start for %s", (_what, issuers, message) => {
    expect(() => load(issuers)).toThrow(message);
  });
});
