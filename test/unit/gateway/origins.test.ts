import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { TrustedProxies } from "../../../lib/network/trusted-proxies.ts";
import { isAllowed } from "../../../services/api/origins.ts";

const rules = {
  corsOrigins: ["https://listed.example"],
  issuer: "https://issuer.example",
  trustedProxies: new TrustedProxies(["10.0.0.1"]),
};

const PROXY = "10.0.0.1";
const CLIENT = "203.0.113.7";

const request = (origin: string | undefined, host: string, from = CLIENT, proto = "https") =>
  ({
    socket: { remoteAddress: from },
    headers: { origin, host, "x-forwarded-proto": proto },
  }) as unknown as IncomingMessage;

describe("isAllowed", () => {
  it.each<[string, IncomingMessage]>([
    ["no origin, which no browser leaves out", request(undefined, "api.example")],
    ["a listed one", request("https://listed.example", "api.example")],
    ["our own over http", request("http://api.example:3000", "api.example:3000")],
    ["our own in another case", request("http://api.example", "API.example")],
    [
      "our own over https, as a trusted proxy says",
      request("https://a.example", "a.example", PROXY),
    ],
    [
      "our own over http, as a trusted proxy says",
      request("http://a.example", "a.example", PROXY, "http"),
    ],
    ["the issuer's, whatever proxy ends TLS", request("https://issuer.example", "issuer.example")],
  ])("allows %s", (_what, req) => {
    expect(isAllowed(req, rules)).toBe(true);
  });

  it.each<[string, IncomingMessage]>([
    ["another host", request("http://evil.example", "api.example")],
    ["another port", request("http://api.example:81", "api.example")],
    ["https where we are reached over http", request("https://api.example", "api.example")],
    ["http where a trusted proxy says https", request("http://a.example", "a.example", PROXY)],
    ["http at the host of an https issuer", request("http://issuer.example", "issuer.example")],
    ["the issuer's at another host", request("https://issuer.example", "api.example")],
    ["a listed one over http", request("http://listed.example", "api.example")],
    ["another scheme", request("ftp://api.example", "api.example")],
    ["none that can be named", request("null", "null")],
    ["one with a path", request("http://api.example/", "api.example")],
    ["an empty one", request("", "")],
  ])("refuses %s", (_what, req) => {
    expect(isAllowed(req, rules)).toBe(false);
  });
});
