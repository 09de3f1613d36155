import type { IncomingMessage } from "node:http";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";

/** Reads an action's parameters from a request. */

/** The methods whose parameters are in the query. Their request bodies are ignored (RFC 9110, 9.3.1). */
const BODYLESS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "DELETE"]);

export const isBodyless = ({ method }: IncomingMessage): boolean => BODYLESS.has(method);

/** Where the parameters of a request may be. */
export interface GivenParams {
  readonly path: Readonly<Record<string, string>>;
  readonly query: object;
  readonly body: unknown;
}

/** The path without the query and a trailing slash, as moleculer-web matches it. */
export const pathOf = ({ url = "/" }: IncomingMessage): string => {
  const end = url.indexOf("?");
  const path = end === -1 ? url : url.slice(0, end);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
};

/**
 * The action's parameters: from the query or from the body, depending on the method; then those in the path, which
 * take precedence; then the version in `If-Match`.
 *
 * @throws CitadelError BadRequest if the body is a list or If-Match has several tags, PreconditionFailed if
 *   If-Match names no version
 */
export function paramsOf(
  req: IncomingMessage,
  contract: ActionContract,
  { path, query, body }: GivenParams,
): Record<string, unknown> {
  const { headers } = req;
  // spreading an empty list would give an empty object
  if (Array.isArray(body)) throw new CitadelError("BadRequest");
  // a body that is no object has no parameters
  const fields = typeof body === "object" ? body : undefined;
  const given: Record<string, unknown> = { ...(isBodyless(req) ? query : fields), ...path };
  const name = contract.etag;
  if (name === undefined || contract.params[name] === undefined) return given;
  const version = versionOf(headers["if-match"]);
  return version === undefined ? given : { ...given, [name]: version };
}

/**
 * The version in an entity tag of this API (RFC 9110, 13.1.1); undefined for any version. A weak tag is accepted: a
 * proxy that compresses responses makes tags weak, and the version of the data stays the same.
 */
function versionOf(header: string | undefined): number | undefined {
  const tag = header?.trim();
  if (tag === undefined || tag === "*") return undefined;
  if (tag.includes(","))
    throw new CitadelError("BadRequest", { message: "If-Match takes one entity tag here." });
  const number = /^(?:W\/)?"([1-9]\d{0,8})"$/.exec(tag)?.[1];
  if (number === undefined) throw new CitadelError("PreconditionFailed");
  return Number(number);
}

/**
 * The value of `Idempotency-Key`. The draft puts it in quotes; most clients leave them out.
 *
 * @throws CitadelError BadRequest for a malformed key
 * @see draft-ietf-httpapi-idempotency-key-header
 */
export function idempotencyKeyOf({ headers }: IncomingMessage): string | undefined {
  const header = headers["idempotency-key"];
  return header === undefined ? undefined : mustBeIdempotencyKey(String(header));
}

/** @throws CitadelError BadRequest */
export function mustBeIdempotencyKey(text: string): string {
  const key = /^"?([\x21\x23-\x7e]{1,255})"?$/.exec(text)?.[1];
  if (key === undefined)
    throw new CitadelError("BadRequest", {
      message: "An Idempotency-Key has 1 to 255 characters, without spaces.",
    });
  return key;
}
