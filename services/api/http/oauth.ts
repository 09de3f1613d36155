import type { IncomingMessage } from "node:http";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { OAuthKind } from "../../../lib/errors/oauth-errors.ts";
import { pathOf } from "./params.ts";

/** OAuth 2.0 (RFC 6749): client authentication at the token endpoint, and the paths with OAuth errors. */

const kinds: ReadonlyMap<string, OAuthKind> = new Map(
  routesOf(loadContracts()).flatMap(({ path, contract: { oauth } }) =>
    oauth ? [[path, oauth] as const] : [],
  ),
);

/** The kind of OAuth errors for a request. Depends on the path only: a request may be refused before its route is known. */
export const oauthKindOf = (req: IncomingMessage): OAuthKind | undefined => kinds.get(pathOf(req));

/** The value of `WWW-Authenticate` at the token endpoint (RFC 7617, 2 and 2.1). */
export const BASIC_CHALLENGE = 'Basic realm="citadel", charset="UTF-8"';

/**
 * The parameters of a token request (RFC 6749, 3.2). Empty ones are left out; the client's id and secret may come from
 * `Authorization: Basic` (2.3.1). The parameters of other actions are returned unchanged.
 *
 * @throws CitadelError BadRequest if a parameter is repeated or the client authenticates in two ways;
 *   InvalidCredentials for a malformed Authorization header
 */
export function tokenRequestParams(
  { headers }: IncomingMessage,
  contract: ActionContract | undefined,
  given: Record<string, unknown>,
): Record<string, unknown> {
  if (contract?.oauth !== "token") return given;
  if (Object.values(given).some(Array.isArray))
    throw new CitadelError("BadRequest", { message: "Send each parameter once." });
  const params = withoutEmpty(given);
  const client = clientOfHeader(headers.authorization);
  if (!client) return params;
  const { client_id = client.client_id, client_secret } = params;
  if (client_secret !== undefined || client_id !== client.client_id)
    throw new CitadelError("BadRequest", {
      message: "Authenticate the client in one way: in the header, or in the body.",
    });
  return withoutEmpty({ ...params, ...client });
}

const withoutEmpty = (params: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ""));

/** Reads `Basic` and the base64 of `id:secret`, both form-encoded. */
function clientOfHeader(header: string | undefined) {
  // some pages send their access token with every request; it does not authenticate a client
  if (header === undefined || /^Bearer /i.test(header)) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      Buffer.from(encoded ?? "", "base64"),
    );
    const [, id = "", secret = ""] = /^([^:]*):([^]*)$/.exec(text) ?? [];
    if (id !== "") return { client_id: formDecode(id), client_secret: formDecode(secret) };
  } catch {
    // not UTF-8 or not form-encoded: refused below, without the submitted text
  }
  throw new CitadelError("InvalidCredentials", {
    message: "Authenticate with 'Authorization: Basic', or with client_id and client_secret.",
  });
}

/** Decodes `application/x-www-form-urlencoded` (RFC 6749, appendix B). @throws URIError */
const formDecode = (text: string) => decodeURIComponent(text.replaceAll("+", " "));
