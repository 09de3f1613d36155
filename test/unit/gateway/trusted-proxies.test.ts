import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import { TrustedProxies } from "../../../lib/network/trusted-proxies.ts";

const CLIENT = "203.0.113.7";
const EDGE = "173.245.48.5";

const from = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

describe("The client address", () => {
  it.each([
    ["no proxy is trusted", [], from(CLIENT, { "x-forwarded-for": "1.1.1.1" }), CLIENT],
    ["it is IPv4-mapped", [], from(`::ffff:${CLIENT}`), CLIENT],
    ["it is IPv4-mapped in hexadecimal", [], from("::ffff:cb00:7107"), CLIENT],
    [
      "the proxy is not listed",
      ["10.0.0.0/8"],
      from("11.0.0.1", { "x-forwarded-for": "1.1.1.1" }),
      "11.0.0.1",
    ],
    ["a proxy sends it", ["10.0.0.0/8"], from("10.0.0.1", { "x-forwarded-for": CLIENT }), CLIENT],
    [
      "a listed proxy is IPv4-mapped",
      ["10.0.0.0/8"],
      from("::ffff:10.0.0.1", { "x-forwarded-for": CLIENT }),
      CLIENT,
    ],
    [
      "the client forged the left part",
      ["10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": `1.1.1.1, 10.0.0.9, ${CLIENT}, 10.0.0.2` }),
      CLIENT,
    ],
    [
      "the nearest entry is not an address",
      ["10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": "1.1.1.1, <script>" }),
      "10.0.0.1",
    ],
    [
      "Cloudflare is not listed",
      ["10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": EDGE, "cf-connecting-ip": CLIENT }),
      EDGE,
    ],
    ["Cloudflare sends it", ["cloudflare"], from(EDGE, { "cf-connecting-ip": CLIENT }), CLIENT],
    [
      "Cloudflare sends it over IPv6",
      ["cloudflare"],
      from("2606:4700::5", { "cf-connecting-ip": "2001:db8::7" }),
      "2001:db8::7",
    ],
    [
      "a client forges Cloudflare's header",
      ["cloudflare"],
      from(CLIENT, { "cf-connecting-ip": "1.1.1.1" }),
      CLIENT,
    ],
    [
      "Cloudflare sends an invalid address",
      ["cloudflare"],
      from(EDGE, { "cf-connecting-ip": "1.1.1.1, 2.2.2.2", "x-forwarded-for": CLIENT }),
      CLIENT,
    ],
    [
      "an own proxy is behind Cloudflare",
      ["cloudflare", "10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": `1.1.1.1, ${EDGE}`, "cf-connecting-ip": CLIENT }),
      CLIENT,
    ],
    [
      "a client bypasses Cloudflare",
      ["cloudflare", "10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": CLIENT, "cf-connecting-ip": "1.1.1.1" }),
      CLIENT,
    ],
    [
      "the daemon of a tunnel is the own proxy",
      ["cloudflare", "127.0.0.1/32"],
      from("127.0.0.1", { "x-forwarded-for": `1.1.1.1, ${CLIENT}`, "cf-connecting-ip": CLIENT }),
      CLIENT,
    ],
  ])("is the right one where %s", (_when, listed, req, address) => {
    expect(new TrustedProxies(listed).addressOf(req)).toBe(address);
  });

  it("is empty after the connection has closed", () => {
    const gone = { socket: {}, headers: {} } as unknown as IncomingMessage;
    expect(new TrustedProxies(["cloudflare"]).addressOf(gone)).toBe("");
  });
});

describe("isSecure", () => {
  const https = { "x-forwarded-proto": "https" };

  it("trusts X-Forwarded-Proto of trusted proxies only", () => {
    const proxies = new TrustedProxies(["10.0.0.0/8"]);
    expect(proxies.isSecure(from("10.0.0.1", https))).toBe(true);
    expect(proxies.isSecure(from(CLIENT, https))).toBe(false);
    expect(proxies.isSecure(from("10.0.0.1", { "x-forwarded-proto": "https, http" }))).toBe(false);
    expect(proxies.isSecure(from("10.0.0.1"))).toBe(false);
  });
});

describe("TRUSTED_PROXIES", () => {
  it.each(["10.0.0.0/33", "cloudfare", "10.0.0.0/8, none", "0.0.0.0/0", "loopback", "1.2.3.4:80"])(
    "refuses '%s'",
    (value) => {
      expect(() => loadConfig({ TRUSTED_PROXIES: value }, new Map())).toThrow(
        /TRUSTED_PROXIES must be/,
      );
    },
  );

  it.each(["", "none", "cloudflare", "cloudflare, 127.0.0.1/32, ::1", "10.0.0.0/8"])(
    "accepts '%s'",
    (value) => {
      expect(() => loadConfig({ TRUSTED_PROXIES: value }, new Map())).not.toThrow();
    },
  );
});
