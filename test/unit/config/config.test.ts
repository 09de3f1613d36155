import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError, loadConfig } from "../../../lib/config/config.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { brokerOptions } from "../../../moleculer.config.ts";

const CONTRACTS = loadContracts();

describe("The configuration", () => {
  it("needs nothing in development", () => {
    const config = loadConfig({}, CONTRACTS);
    expect(config).toMatchObject({
      port: 3000,
      services: [...CONTRACTS.keys()],
      production: false,
    });
  });

  it("allows a client that has waited for a 504 to repeat a refresh", () => {
    const config = loadConfig({}, CONTRACTS);
    const { requestTimeout } = brokerOptions(config);
    expect(config.refreshGrace * 1000).toBeGreaterThan(2 * requestTimeout!);
  });

  it("listens on the loopback address in development, on all addresses in production, or on HOST", () => {
    const production = { NODE_ENV: "production", SERVICES: "api", API_AUTH_TOKEN: "a credential" };
    expect(loadConfig({}, CONTRACTS).host).toBe("127.0.0.1");
    expect(loadConfig(production, CONTRACTS).host).toBe("0.0.0.0");
    expect(loadConfig({ ...production, HOST: "::1" }, CONTRACTS).host).toBe("::1");
  });

  it("has GraphQL in development, and in production only if it is asked for", () => {
    const production = { NODE_ENV: "production", SERVICES: "api", API_AUTH_TOKEN: "a credential" };
    expect(loadConfig({}, CONTRACTS).graphql).toBe(true);
    expect(loadConfig({ GRAPHQL: "false" }, CONTRACTS).graphql).toBe(false);
    expect(loadConfig(production, CONTRACTS).graphql).toBe(false);
    expect(loadConfig({ ...production, GRAPHQL: "true" }, CONTRACTS).graphql).toBe(true);
    expect(() => loadConfig({ GRAPHQL: "yes" }, CONTRACTS)).toThrow(/GRAPHQL must be one of/);
  });

  it("names all secrets that production lacks in one message", () => {
    const load = () => loadConfig({ NODE_ENV: "production", SERVICES: "guard,users" }, CONTRACTS);
    expect(load).toThrow(ConfigError);
    for (const name of ["GUARD_AUTH_TOKEN", "GUARD_SIGNING_KEY", "USERS_AUTH_TOKEN"])
      expect(load).toThrow(new RegExp(`${name} .*is missing`));
    expect(load).not.toThrow(/API_AUTH_TOKEN|AUTH_SIGNING_KEY/);
  });

  it.each(["changeme", "secret", "CHANGE-ME", "xxx"])("refuses the placeholder '%s'", (value) => {
    const env = { NODE_ENV: "production", SERVICES: "users", USERS_AUTH_TOKEN: value };
    expect(() => loadConfig(env, CONTRACTS)).toThrow(/USERS_AUTH_TOKEN is a placeholder/);
  });

  it("never repeats a secret in its message", () => {
    const env = { NODE_ENV: "production", USERS_AUTH_TOKEN: "hush-hush", PORT: "x" };
    for (const secrets of [env, { SMTP_URL: "http://user:hush-hush@mail" }])
      expect(() => loadConfig(secrets, CONTRACTS)).not.toThrow(/hush-hush/);
  });

  it("reads a secret from a file", () => {
    const file = join(mkdtempSync(join(tmpdir(), "citadel-")), "token");
    writeFileSync(file, "from a file\n");
    const config = loadConfig({ USERS_AUTH_TOKEN_FILE: file }, CONTRACTS);
    expect(config.secret("users", "auth_token")).toBe("from a file");
  });

  it("needs no DATABASE_URL for services without a database", () => {
    const env = { NATS_URL: "nats://x", SERVICES: "api" };
    expect(loadConfig(env, CONTRACTS).services).toEqual(["api"]);
  });

  it.each([
    [{ PORT: "70000" }, /PORT must be a whole number/],
    [{ ACCESS_TOKEN_TTL: "0" }, /ACCESS_TOKEN_TTL/],
    [{ SMTP_URL: "mail.example.com" }, /SMTP_URL must be a URL/],
    [{ SMTP_URL: "http://user:hush@mail" }, /SMTP_URL must be a URL/],
    [{ SERVICES: "users,usres" }, /'usres', which is none of api/],
    [{ USERS_AUTH_TOKEN_FILE: "/nowhere", NODE_ENV: "production" }, /cannot be read/],
    [{ NATS_URL: "nats://x", SERVICES: "users" }, /DATABASE_URL is needed/],
    [{ LOG_LEVEL: "warning" }, /LOG_LEVEL must be one of info, .*warn, error/],
    [{ ISSUER: "nourl" }, /ISSUER must be a URL that begins with http/],
    [{ ISSUER: "ftp://id.example.com" }, /ISSUER must be a URL/],
    [{ ISSUER: "https://id.example.com/auth" }, /without a path or query: https:.*\.com$/m],
    [{ ISSUER: "https://id.example.com?tenant=1" }, /ISSUER must be an origin/],
    [{ ISSUER: "https://id.example.com/#x" }, /ISSUER must be an origin/],
    [{ ISSUER: "https://user:hush@id.example.com" }, /^(?![^]*hush)[^]*ISSUER must be an origin/],
    [{ ISSUER: "https://ID.example.com" }, /ISSUER must be an origin/],
    [{ WEB_URL: "web.example.com" }, /WEB_URL must be a URL/],
    [{ CORS_ORIGINS: "https://a.example.com/" }, /write https:\/\/a\.example\.com$/m],
    [{ CORS_ORIGINS: "https://a.example.com,b.example.com" }, /'b\.example\.com' is no origin/],
    [{ CORS_ORIGINS: "*" }, /'\*' is no origin/],
    [{ GUARDED_ROUTES: "/docs" }, /GUARDED_ROUTES must be a JSON object such as/],
    [{ GUARDED_ROUTES: '[["/docs",["STAFF"]]]' }, /GUARDED_ROUTES must be a JSON object/],
    [{ GUARDED_ROUTES: '{"/docs":["STAFF"],"/docs":["PEOPLE"]}' }, /with each path once/],
    [{ GUARDED_ROUTES: '{"/docs":"STAFF"}' }, /needs a list for '\/docs'/],
    [{ GUARDED_ROUTES: '{"/docs":[]}' }, /needs a list for '\/docs'/],
    [{ GUARDED_ROUTES: '{"/docs":["STAFF","staff"]}' }, /has 'staff' for '\/docs', which is none/],
    [{ GUARDED_ROUTES: '{"/docs":["constructor"]}' }, /has 'constructor' for '\/docs'/],
    [{ GUARDED_ROUTES: '{"/docs":[null]}' }, /END_USERS, APPLICATIONS, ManagedServiceAccount/],
  ])("names what is wrong with %j", (env, message) => {
    expect(() => loadConfig(env, CONTRACTS)).toThrow(message);
  });

  it("accepts LOG_LEVEL in upper and lower case", () => {
    expect(loadConfig({ LOG_LEVEL: "WARN" }, CONTRACTS).logLevel).toBe("warn");
  });

  it("derives ISSUER from PORT in development only", () => {
    const production = { NODE_ENV: "production", SERVICES: "api", API_AUTH_TOKEN: "a credential" };
    const issuerOf = (env: object) => loadConfig({ ...env }, CONTRACTS).issuer;
    expect(issuerOf({ PORT: "4000" })).toBe("http://localhost:4000");
    expect(loadConfig({ PORT: "4000" }, CONTRACTS).webUrl).toBe("http://localhost:4000");
    for (const env of [{}, { PORT: "0" }, { ...production, PORT: "4000" }])
      expect(issuerOf(env)).toBe("http://localhost:3000");
    for (const ISSUER of ["https://a.example.com", "https://a.example.com/"])
      expect(issuerOf({ PORT: "4000", ISSUER })).toBe(ISSUER);
  });
});
