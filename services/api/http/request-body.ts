import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isWithinBounds, type JsonBounds } from "../limits/json-bounds.ts";
import { contract } from "../api.contract.ts";
import ApiGateway from "moleculer-web";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

const { limits } = contract;

/** The bounds of all JSON that clients send, over HTTP and sockets: far above what any action takes. */
export const BOUNDS: JsonBounds = { depth: limits.jsonDepth.max, values: limits.jsonValues.max };

type Parser = (req: GatewayRequest, res: GatewayResponse, next: (error?: unknown) => void) => void;

/** body-parser, as moleculer-web exports it; its type there is wrong. */
type BodyParsers = Record<"json" | "urlencoded", (options: object) => Parser>;

/**
 * Refuses the key `__proto__`: `Object.assign` would set the prototype. body-parser gives the error the status 400, and
 * removes its other properties.
 */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new SyntaxError("The key __proto__ is not allowed.");
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

const { json, urlencoded } = ApiGateway.bodyParser as unknown as BodyParsers;
const limit = limits.bodyBytes.max;
const parseJson = json({ limit, reviver: refuseProto, verify });
const parseForm = urlencoded({ limit, extended: false });

/**
 * Reads and parses the body of a request: JSON, or a form where the contract has `form`.
 *
 * @returns undefined without a body
 * @throws CitadelError BadRequest, UnsupportedMediaType, PayloadTooLarge
 */
export async function readBody(
  req: GatewayRequest,
  res: GatewayResponse,
  { form }: Pick<ActionContract, "form">,
): Promise<unknown> {
  const { headers } = req;
  const isEmpty =
    headers["transfer-encoding"] === undefined && !Number(headers["content-length"] ?? 0);
  if (isEmpty) return undefined;
  const type = headers["content-type"];
  const parse = isJsonType(type) ? parseJson : form && isFormType(type) ? parseForm : undefined;
  if (!parse) throw new CitadelError("UnsupportedMediaType");
  await new Promise<void>((resolve, reject) => {
    parse(req, res, (error) => (error === undefined ? resolve() : reject(error)));
  });
  return req.body;
}
