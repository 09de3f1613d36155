import type { IncomingMessage } from "node:http";
import { bearerOf, countOf } from "../../lib/authentication/bearer-token.ts";
import type { Config } from "../../lib/config/config.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { readIssuer } from "../../lib/tokens/jwt.ts";
import type { Socket } from "./gateways.ts";
import { isAllowed, type OriginRules } from "./origins.ts";

// Reads the access token of a request or a handshake. A request that carries several is refused (RFC 6750, 2).

type Rules = OriginRules & Pick<Config, "trustedIssuers">;

/** Query parameters for a token. HTTP requests may not use them: queries are stored in logs and browser histories. */
const QUERY_NAMES = ["access_token", "token"];

/**
 * The access token of an HTTP request.
 *
 * @throws CitadelError AccessTokenVerificationFailed for several tokens, and what `assertionOf` throws
 */
export function tokenOfRequest(req: IncomingMessage, rules: Rules): string | undefined {
  const given = countOf("authorization", req.rawHeaders);
  if (given > 1 || (given > 0 && hasTokenInQuery(req)))
    throw new CitadelError("AccessTokenVerificationFailed");
  return knownToken(req) ?? assertionOf(req, rules);
}

/** The last token of a connection. */
interface LastToken {
  readonly header: string;
  readonly token: string | undefined;
}

const LAST = Symbol("last token");

/**
 * The token of `Authorization`. A client sends the same one again: with the same string the caches of verified tokens
 * need not read all of it each time.
 */
function knownToken({ headers, socket }: IncomingMessage): string | undefined {
  const { authorization: header } = headers;
  if (header === undefined) return undefined;
  const connection = socket as { [LAST]?: LastToken };
  if (connection[LAST]?.header !== header) connection[LAST] = { header, token: bearerOf(header) };
  return connection[LAST].token;
}

function hasTokenInQuery({ url = "" }: IncomingMessage): boolean {
  const at = url.indexOf("?");
  if (at === -1) return false;
  const query = new URLSearchParams(url.slice(at));
  return QUERY_NAMES.some((name) => query.has(name));
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
