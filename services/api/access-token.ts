import type { IncomingMessage } from "node:http";
import type { Config } from "../../lib/config/config.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { readIssuer } from "../../lib/tokens/jwt.ts";
import type { Socket } from "./gateways.ts";
import { isAllowed, type OriginRules } from "./origins.ts";

// Reads the access token of a request or a handshake. A request that carries several is refused (RFC 6750, 2).

type Rules = OriginRules & Pick<Config, "trustedIssuers">;

/** Query parameters for a token. HTTP requests may not use them: queries are stored in logs and browser histories. */
const QUERY_NAMES = ["access_token", "token"];

/** The token of `Authorization: Bearer` (RFC 6750, 2.1). */
function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(.+)$/i.exec(header ?? "")?.[1];
}

/**
 * The access token of an HTTP request.
 *
 * @throws CitadelError AccessTokenVerificationFailed for several tokens, and what `assertionOf` throws
 */
export function tokenOfRequest(req: IncomingMessage, rules: Rules): string | undefined {
  const { authorization = [] } = req.headersDistinct;
  const query = new URLSearchParams(req.url?.split("?", 2)[1]);
  const isInQuery = QUERY_NAMES.some((name) => query.has(name));
  if (authorization.length > 1 || (authorization.length > 0 && isInQuery))
    throw new CitadelError("AccessTokenVerificationFailed");
  return bearerOf(req.headers.authorization) ?? assertionOf(req, rules);
}

/**
 * The access token of a socket's handshake: `auth.token`, `Authorization: Bearer` or `?token=`.
 *
 * @throws CitadelError AccessTokenVerificationFailed for several tokens, and what `assertionOf` throws
 */
export function tokenOfHandshake({ handshake, request }: Socket, rules: Rules): unknown {
  const given = [
    (handshake.auth as { token?: unknown }).token,
    bearerOf(handshake.headers.authorization),
    handshake.query.token,
  ].filter((token) => token !== undefined && token !== null);
  if (given.length > 1) throw new CitadelError("AccessTokenVerificationFailed");
  return given[0] ?? assertionOf(request, rules);
}

/**
 * The token that a proxy added in its issuer's header, as Cloudflare Access does. The proxy adds it to every request of a
 * signed-in browser, also to requests that a page of another origin makes, so the origin must be allowed.
 *
 * @throws CitadelError OriginNotAllowed; AccessTokenVerificationFailed for the token of another issuer
 */
function assertionOf(req: IncomingMessage, rules: Rules): string | undefined {
  for (const { issuer, header } of rules.trustedIssuers) {
    const token = header === undefined ? undefined : req.headers[header];
    if (typeof token !== "string") continue;
    if (!isAllowed(req, rules)) throw new CitadelError("OriginNotAllowed");
    if (!isFrom(issuer, token)) throw new CitadelError("AccessTokenVerificationFailed");
    return token;
  }
  return undefined;
}

/** Does the token name this issuer? Its signature is verified later. */
function isFrom(issuer: string, token: string): boolean {
  try {
    return readIssuer(token) === issuer;
  } catch {
    return false;
  }
}
