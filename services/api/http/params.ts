import type { IncomingMessage } from "node:http";
import type { ActionContract } from "../../../lib/contract/action.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { mustBeRead } from "./request-body.ts";
import type { GatewayRequest } from "../gateways.ts";

/** What a request comes to, for the action behind its route. */

/** The methods whose parameters are in the query; a body means nothing there (RFC 9110, 9.3.1). */
const BODYLESS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "DELETE"]);

/** The path without query and trailing slash, as moleculer-web matches it. */
export const pathOf = ({ url = "/" }: IncomingMessage): string => {
  const [path = "/"] = url.split("?", 1);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
};

/**
 * The action's parameters: the path's, over the query's or the body's, never both, and the version that
 * `If-Match` names.
 *
 * @throws CitadelError PreconditionFailed, BadRequest for a list, and a version that can be none,
 *   UnsupportedMediaType for a body that was not read
 */
export function paramsOf(
  req: GatewayRequest,
  contract: ActionContract | undefined,
): Record<string, unknown> {
  const { method, headers, $params = {} } = req;
  const { params, query, body } = $params as Record<string, Record<string, unknown> | undefined>;
  const isBodyless = BODYLESS.has(method);
  if (contract && !isBodyless) mustBeRead(req, contract);
  // spread, an empty list would be an empty object
  if (Array.isArray(body)) throw new CitadelError("BadRequest");
  const given = { ...(isBodyless ? query : body), ...params };
  const name = contract?.version;
  if (name === undefined || contract?.params[name] === undefined) return given;
  const version = versionOf(headers["if-match"]);
  return version === undefined ? given : { ...given, [name]: version };
}

/**
 * The version in an entity tag of ours (RFC 9110, 13.1.1); undefined: any. A proxy that packs answers makes
 * tags weak on the way; ours name a version of the data, however it is packed.
 */
function versionOf(header: string | undefined): number | undefined {
  const tag = header?.trim();
  if (tag === undefined || tag === "*") return undefined;
  if (tag.includes(","))
    throw new CitadelError("BadRequest", { message: "If-Match takes one tag here." });
  const number = /^(?:W\/)?"([1-9]\d{0,8})"$/.exec(tag)?.[1];
  if (number === undefined) throw new CitadelError("PreconditionFailed");
  return Number(number);
}

/**
 * The client's name for a request that it may have to send again. The draft has it in quotes; most send
 * it bare.
 *
 * @throws CitadelError BadRequest for one that is none
 * @see draft-ietf-httpapi-idempotency-key-header
 */
export function idempotencyKeyOf({ headers }: GatewayRequest): string | undefined {
  const header = headers["idempotency-key"];
  if (header === undefined) return undefined;
  const key = /^"?([\x21\x23-\x7e]{1,255})"?$/.exec(String(header))?.[1];
  if (key === undefined)
    throw new CitadelError("BadRequest", {
      message: "An Idempotency-Key has 1 to 255 characters, without spaces.",
    });
  return key;
}
