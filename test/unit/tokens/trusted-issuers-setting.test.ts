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

  it.each([
    ["invalid JSON", "[{", /TRUSTED_ISSUERS must be a JSON list/],
    ["no list", issuer, /must be a JSON list/],
    ["a list of strings", ["https://id.example.com/"], /must be a JSON list/],
    [
      "an empty issuer",
      [{ ...issuer, issuer: "" }],
      /entry 1: issuer and audience must be strings/,
    ],
    ["two audiences", [{ ...issuer, audience: ["a"] }], /issuer and audience must be strings/],
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
    ["an unknown key", [{ ...issuer, role: {} }], /'role' is not a known key/],
  ])("stops the start for %s", (_what, issuers, message) => {
    expect(() => load(issuers)).toThrow(message);
  });
});
