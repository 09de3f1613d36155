import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import { TrustedProxies } from "../../../lib/network/trusted-proxies.ts";

const CLIENT = "203.0.113.7";
const EDGE = "173.245.48.5";

const from = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

describe("the address of a client", () => {
  it.each([
    ["nobody is trusted", [], from(CLIENT, { "x-forwarded-for": "1.1.1.1" }), CLIENT],
    ["it comes mapped into IPv6", [], from(`::ffff:${CLIENT}`), CLIENT],
    ["it comes mapped in hexadecimal", [], from("::ffff:cb00:7107"), CLIENT],
    [
      "the proxy is not listed",
      ["10.0.0.0/8"],
      from("11.0.0.1", { "x-forwarded-for": "1.1.1.1" }),
      "11.0.0.1",
    ],
    ["a proxy names it", ["10.0.0.0/8"], from("10.0.0.1", { "x-forwarded-for": CLIENT }), CLIENT],
    [
      "a proxy that is listed comes mapped",
      ["10.0.0.0/8"],
      from("::ffff:10.0.0.1", { "x-forwarded-for": CLIENT }),
      CLIENT,
    ],
    [
      "the client wrote the left part",
      ["10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": `1.1.1.1, 10.0.0.9, ${CLIENT}, 10.0.0.2` }),
      CLIENT,
    ],
    [
      "the nearest thing named is no address",
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
    ["Cloudflare names it", ["cloudflare"], from(EDGE, { "cf-connecting-ip": CLIENT }), CLIENT],
    [
      "Cloudflare names it over IPv6",
      ["cloudflare"],
      from("2606:4700::5", { "cf-connecting-ip": "2001:db8::7" }),
      "2001:db8::7",
    ],
    [
      "somebody else says to be Cloudflare",
      ["cloudflare"],
      from(CLIENT, { "cf-connecting-ip": "1.1.1.1" }),
      CLIENT,
    ],
    [
      "Cloudflare names nothing that is one",
      ["cloudflare"],
      from(EDGE, { "cf-connecting-ip": "1.1.1.1, 2.2.2.2", "x-forwarded-for": CLIENT }),
      CLIENT,
    ],
    [
      "a proxy of ours stands behind Cloudflare",
      ["cloudflare", "10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": `1.1.1.1, ${EDGE}`, "cf-connecting-ip": CLIENT }),
      CLIENT,
    ],
    [
      "somebody comes to our proxy past Cloudflare",
      ["cloudflare", "10.0.0.0/8"],
      from("10.0.0.1", { "x-forwarded-for": CLIENT, "cf-connecting-ip": "1.1.1.1" }),
      CLIENT,
    ],
    [
      "a tunnel's daemon is the proxy of ours",
      ["cloudflare", "127.0.0.1/32"],
      from("127.0.0.1", { "x-forwarded-for": `1.1.1.1, ${CLIENT}`, "cf-connecting-ip": CLIENT }),
      CLIENT,
    ],
  ])("is the right one where %s", (_when, listed, req, address) => {
    expect(new TrustedProxies(listed).addressOf(req)).toBe(address);
  });

  it("is nothing when the connection has gone", () => {
    const gone = { socket: {}, headers: {} } as unknown as IncomingMessage;
    expect(new TrustedProxies(["cloudflare"]).addressOf(gone)).toBe("");
  });
});

describe("https", () => {
  const https = { "x-forwarded-proto": "https" };

  it("is believed of trusted proxies only", () => {
    const proxies = new TrustedProxies(["10.0.0.0/8"]);
    expect(proxies.isSecure(from("10.0.0.1", https))).toBe(true);
    expect(proxies.isSecure(from(CLIENT, https))).toBe(false);
    expect(proxies.isSecure(from("10.0.0.1", { "x-forwarded-proto": "https, http" }))).toBe(false);
    expect(proxies.isSecure(from("10.0.0.1"))).toBe(false);
  });
});

describe("TRUSTED_PROXIES", () => {
  it.each(["10.0.0.0/33", "cloudfare", "10.0.0.0/8, none", "0.0.0.0/0", "loopback", "1.2.3.4:80"])(
    "does not take '%s'",
    (value) => {
      expect(() => loadConfig({ TRUSTED_PROXIES: value }, new Map())).toThrow(
        /TRUSTED_PROXIES must be/,
      );
    },
  );

  it.each(["", "none", "cloudflare", "cloudflare, 127.0.0.1/32, ::1", "10.0.0.0/8"])(
    "takes '%s'",
    (value) => {
      expect(() => loadConfig({ TRUSTED_PROXIES: value }, new Map())).not.toThrow();
    },
  );
});
