import type { IncomingMessage } from "node:http";
import { type Client, makeClient } from "../../lib/context/client.ts";
import type { Config } from "../../lib/config/config.ts";

/** Who is at the other end of a request, as far as our own proxies say. */
export function clientOf(req: IncomingMessage, { trustedProxies }: Config): Client {
  const { "user-agent": userAgent, "x-correlation-id": named, "x-request-id": id } = req.headers;
  return makeClient(trustedProxies.addressOf(req), userAgent, (named ?? id)?.toString());
}
