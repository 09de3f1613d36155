import type { IncomingMessage } from "node:http";
import type { Config } from "../../lib/config/config.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { readIssuer } from "../../lib/tokens/jwt.ts";
import type { Socket } from "./gateways.ts";
import { isAllowed, type OriginRules } from "./origins.ts";

/** Where access tokens are taken from. Of the ways that RFC 6750 has, a request may use one. */

type Rules = OriginRules & Pick<Config, "trustedIssuers">;

/** What a token in a query is called. Over HTTP none is taken there: queries get into logs and histories. */
const QUERY_NAMES = ["access_token", "token"];

/** The token of `Authorization: Bearer` (RFC 6750, 2.1). */
function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(.+)$/i.exec(header ?? "")?.[1];
}

/**
 * The access token of an HTTP request.
 *
 * @throws CitadelError AccessTokenVerificationFailed where there are several
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
 * @throws CitadelError AccessTokenVerificationFailed where there are several
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
 * The token that a proxy has put into a header of its issuer's own, as Cloudflare Access does. The
 * header is good for that issuer's tokens only. The proxy adds it to whatever a signed-in browser
 * sends, so a page of somebody else's could make the browser send it: it may not.
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

/** Does it say that it is from this issuer? Whether it is, its signature shows. */
function isFrom(issuer: string, token: string): boolean {
  try {
    return readIssuer(token) === issuer;
  } catch {
    return false;
  }
}
