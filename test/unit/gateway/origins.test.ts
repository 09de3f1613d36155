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
    ["no origin", request(undefined, "api.example")],
    ["a listed origin", request("https://listed.example", "api.example")],
    ["the host of the request over http", request("http://api.example:3000", "api.example:3000")],
    ["the host of the request in another case", request("http://api.example", "API.example")],
    [
      "the host of the request over https, by a trusted proxy",
      request("https://a.example", "a.example", PROXY),
    ],
    [
      "the host of the request over http, by a trusted proxy",
      request("http://a.example", "a.example", PROXY, "http"),
    ],
    [
      "the issuer, behind an unlisted proxy that terminates TLS",
      request("https://issuer.example", "issuer.example"),
    ],
  ])("allows %s", (_what, req) => {
    expect(isAllowed(req, rules)).toBe(true);
  });

  it.each<[string, IncomingMessage]>([
    ["another host", request("http://evil.example", "api.example")],
    ["another port", request("http://api.example:81", "api.example")],
    ["https if the request came over http", request("https://api.example", "api.example")],
    ["http if a trusted proxy reports https", request("http://a.example", "a.example", PROXY)],
    ["http at the host of an https issuer", request("http://issuer.example", "issuer.example")],
    ["the issuer at another host", request("https://issuer.example", "api.example")],
    ["a listed https origin over http", request("http://listed.example", "api.example")],
    ["another scheme", request("ftp://api.example", "api.example")],
    ["the opaque origin", request("null", "null")],
    ["an origin with a path", request("http://api.example/", "api.example")],
    ["an empty origin", request("", "")],
  ])("refuses %s", (_what, req) => {
    expect(isAllowed(req, rules)).toBe(false);
  });
});
