import type { IncomingMessage } from "node:http";
import { type Client, makeClient } from "../../lib/context/client.ts";
import type { Config } from "../../lib/config/config.ts";

/** The client of a request; its address is what the trusted proxies report. */
export function clientOf(req: IncomingMessage, { trustedProxies }: Config): Client {
  const { "user-agent": userAgent, "x-correlation-id": named, "x-request-id": id } = req.headers;
  return makeClient(trustedProxies.addressOf(req), userAgent, (named ?? id)?.toString());
}
