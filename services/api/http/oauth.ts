import type { IncomingMessage } from "node:http";
import type { ActionContract } from "../../../lib/contract/action.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { OAuthKind } from "../../../lib/errors/oauth-errors.ts";
import { pathOf } from "./params.ts";

/** How OAuth clients authenticate at the token endpoint, and which paths speak OAuth (RFC 6749). */

const kinds: ReadonlyMap<string, OAuthKind> = new Map(
  routesOf(loadContracts()).flatMap(({ path, contract: { oauth } }) =>
    oauth ? [[path, oauth] as const] : [],
  ),
);

/** Known before the route is: whatever refuses a request there speaks OAuth. */
export const oauthKindOf = (req: IncomingMessage): OAuthKind | undefined => kinds.get(pathOf(req));

/** RFC 7617, 2 and 2.1. */
export const CLIENT_CHALLENGE = 'Basic realm="citadel", charset="UTF-8"';

/**
 * The parameters of a token request (RFC 6749, 3.2): none twice, those without a value left out, and the
 * client's id and secret also from `Authorization: Basic` (2.3.1). Other actions' parameters stay as they are.
 *
 * @throws CitadelError BadRequest for a parameter that is there twice, and for two ways of authentication;
 *   InvalidCredentials for an Authorization header that cannot be read
 */
export function clientParams(
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

/** `Basic`: the id and the secret, each form-encoded, joined by a colon, in base64. */
function clientOfHeader(header: string | undefined) {
  // an access token does not authenticate a client; pages send it with every request
  if (header === undefined || /^Bearer /i.test(header)) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      Buffer.from(encoded ?? "", "base64"),
    );
    const [, id = "", secret = ""] = /^([^:]*):([^]*)$/.exec(text) ?? [];
    if (id !== "") return { client_id: formDecode(id), client_secret: formDecode(secret) };
  } catch {
    // neither UTF-8 nor form-encoded: refused below, without what was sent
  }
  throw new CitadelError("InvalidCredentials", {
    message: "Authenticate with 'Authorization: Basic', or with client_id and client_secret.",
  });
}

/** RFC 6749, appendix B. @throws URIError */
const formDecode = (text: string) => decodeURIComponent(text.replaceAll("+", " "));
