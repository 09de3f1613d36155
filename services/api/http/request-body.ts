import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import type { Route } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isWithinBounds, type JsonBounds } from "../limits/json-bounds.ts";
import { contract } from "../api.contract.ts";
import type { GatewayRequest } from "../gateways.ts";

const { limits } = contract;

/** The bounds of all JSON that clients send, over HTTP and sockets: far above what any action takes. */
export const BOUNDS: JsonBounds = { depth: limits.jsonDepth.max, values: limits.jsonValues.max };

/** Refuses the key `__proto__`: `Object.assign` would set the prototype. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new CitadelError("BadRequest");
  return value;
}

/** Checks a body before it is parsed. @throws CitadelError UnsupportedMediaType, PayloadTooLarge */
function verify(_req: unknown, _res: unknown, body: Buffer, charset: string): void {
  // RFC 8259, 8.1: JSON is UTF-8, and isWithinBounds reads the bytes as UTF-8
  if (charset !== "utf-8") throw new CitadelError("UnsupportedMediaType");
  if (!isWithinBounds(body, BOUNDS)) throw new CitadelError("PayloadTooLarge");
}

const isJsonType = (type = "") => /^application\/json *(;|$)/i.test(type);
const isFormType = (type = "") => /^application\/x-www-form-urlencoded *(;|$)/i.test(type);

/** Does the route take forms, and is the body one? */
const isForm =
  (routes: readonly Route[]) =>
  ({ method, headers, parsedUrl }: GatewayRequest) =>
    isFormType(headers["content-type"]) &&
    routes.some(
      ({ contract: action, ...route }) =>
        action.form && route.method === method && route.path === parsedUrl,
    );

/** body-parser's settings: JSON for all routes, forms where the contract has `form`. */
export const bodyParsers = (routes: readonly Route[]) => ({
  json: { limit: limits.bodyBytes.max, reviver: refuseProto, verify },
  urlencoded: { limit: limits.bodyBytes.max, extended: false, type: isForm(routes) },
});

/**
 * Refuses a body that body-parser has skipped. Its parameters would otherwise be reported as missing.
 *
 * @throws CitadelError UnsupportedMediaType
 */
export function mustHaveSupportedType({ headers }: GatewayRequest, { form }: ActionContract): void {
  const type = headers["content-type"];
  const isEmpty =
    headers["transfer-encoding"] === undefined && !Number(headers["content-length"] ?? 0);
  if (isEmpty || isJsonType(type) || (form && isFormType(type))) return;
  throw new CitadelError("UnsupportedMediaType");
}
