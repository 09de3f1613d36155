import type { ActionContract } from "../../../lib/contract/action.ts";
import type { Route } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isWithinBounds, type JsonBounds } from "../../../lib/network/json-bounds.ts";
import type { GatewayRequest } from "../gateways.ts";

/** What a client may send, over HTTP and sockets alike: far more than any action takes. */
export const BOUNDS: JsonBounds = { depth: 20, values: 10_000 };

/** In bytes; of a packed body, once it is unpacked. */
export const BODY_LIMIT = 100_000;

/** A JSON body may not reach for prototypes: `Object.assign` would follow it. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new CitadelError("BadRequest");
  return value;
}

/** Refuses what is nested too deeply, or too much, before it is read. */
function verify(_req: unknown, _res: unknown, body: Buffer, charset: string): void {
  // RFC 8259, 8.1; in another charset the bytes would not say what they seem to
  if (charset !== "utf-8") throw new CitadelError("UnsupportedMediaType");
  if (!isWithinBounds(body, BOUNDS)) throw new CitadelError("PayloadTooLarge");
}

const isJsonType = (type = "") => /^application\/json *(;|$)/i.test(type);
const isFormType = (type = "") => /^application\/x-www-form-urlencoded *(;|$)/i.test(type);

/** Is it a form, and one that its route takes? */
const isForm =
  (routes: readonly Route[]) =>
  ({ method, headers, parsedUrl }: GatewayRequest) =>
    isFormType(headers["content-type"]) &&
    routes.some(
      ({ contract, ...route }) =>
        contract.form && route.method === method && route.path === parsedUrl,
    );

/** body-parser's settings: JSON everywhere, and forms where a contract says so. */
export const bodyParsers = (routes: readonly Route[]) => ({
  json: { limit: BODY_LIMIT, reviver: refuseProto, verify },
  urlencoded: { limit: BODY_LIMIT, extended: false, type: isForm(routes) },
});

/**
 * Refuses a body that was not read: without it some parameter would seem to be missing.
 *
 * @throws CitadelError UnsupportedMediaType
 */
export function mustBeRead({ headers }: GatewayRequest, { form }: ActionContract): void {
  const type = headers["content-type"];
  const isEmpty =
    headers["transfer-encoding"] === undefined && !Number(headers["content-length"] ?? 0);
  if (isEmpty || isJsonType(type) || (form && isFormType(type))) return;
  throw new CitadelError("UnsupportedMediaType");
}
