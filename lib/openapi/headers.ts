import type { ActionContract } from "../contract/declarations/action.ts";
import { isForEverybody } from "../contract/load.ts";
import type { ErrorType } from "../errors/errors.ts";
import type { JsonSchema } from "./json-schema.ts";

/** The request and response headers of operations. */

interface Header {
  description: string;
  /** Is it always sent? */
  required?: true;
  schema: JsonSchema;
}

const TEXT: JsonSchema = { type: "string" };
const COUNT: JsonSchema = { type: "integer", minimum: 0 };

/** Response headers. The rate limit headers are optional: an operator may set no limit. */
export const RESPONSE_HEADERS = {
  ETag: {
    description:
      "Identifies this version of the resource (RFC 9110, 8.8.3). A response of more than 500,000 characters has none.",
    schema: { type: "string", pattern: '^(W/)?"[!#-~]+"$' },
  },
  "RateLimit-Limit": { description: "The requests that the limit allows.", schema: COUNT },
  "RateLimit-Policy": {
    description: "All limits that apply: `600;w=60` is 600 requests in 60 seconds.",
    schema: TEXT,
  },
  "RateLimit-Remaining": { description: "The requests that are left.", schema: COUNT },
  "RateLimit-Reset": {
    description: "The seconds until the count starts again.",
    schema: COUNT,
  },
  "Retry-After": {
    description: "The seconds to wait before the next attempt.",
    required: true,
    schema: COUNT,
  },
  "WWW-Authenticate": {
    description: "How to authenticate (RFC 6750, 3; at the token endpoint RFC 6749, 5.2).",
    required: true,
    schema: TEXT,
  },
} as const satisfies Record<string, Header>;

type HeaderName = keyof typeof RESPONSE_HEADERS;

/** References to response headers. */
export const headersOf = (names: readonly HeaderName[]): Record<string, object> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** The headers of error responses, by status. */
export const ERROR_HEADERS: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ["WWW-Authenticate"],
  429: [
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
  ],
};

/** Does the operation take `If-Match`? */
const takesVersion = ({ etag, params }: ActionContract) =>
  etag !== undefined && params[etag] !== undefined;

/** Does the response have an `ETag`? */
export const isTagged = (contract: ActionContract): boolean =>
  contract.result !== null && (contract.etag !== undefined || isForEverybody(contract));

/** Does the operation take `If-None-Match`? */
export const isConditional = (contract: ActionContract): boolean =>
  isTagged(contract) && isForEverybody(contract);

/** The response if `If-None-Match` matches. */
export const NOT_MODIFIED = {
  304: { description: "The resource has not changed.", headers: headersOf(["ETag"]) },
};

export const IF_NONE_MATCH = {
  name: "If-None-Match",
  in: "header",
  description:
    "The `ETag` of a stored response. If the resource has not changed, the status is 304.",
  schema: TEXT,
};

const IF_MATCH = {
  name: "If-Match",
  in: "header",
  description:
    "The `ETag` of the version that you have read. If the resource has changed since, the status is 412 and nothing " +
    "is changed. Without this header the last change wins.",
  schema: { type: "string", pattern: '^(\\*|"\\d{1,9}")$' },
};

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  description:
    "Identifies the request, best by a random UUID. For a day, a repeated request with the same key gets the first " +
    "response and changes nothing. While the first request runs, the repeated one waits or gets 409. A different " +
    "request of the same user with the same key gets 422. A repeated registration signs in.",
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!#-~]+$" },
};

/** The request headers of an action, as OpenAPI parameters. */
export const headerParametersOf = (contract: ActionContract): object[] => [
  ...(isConditional(contract) ? [IF_NONE_MATCH] : []),
  ...(takesVersion(contract) ? [IF_MATCH] : []),
  ...(contract.idempotent ? [IDEMPOTENCY_KEY] : []),
];

/** The errors that these headers cause. */
export const headerErrorsOf = (contract: ActionContract): ErrorType[] => [
  ...(takesVersion(contract) ? (["BadRequest", "PreconditionFailed"] as const) : []),
  ...(contract.idempotent ? (["BadRequest", "Conflict", "VALIDATION_ERROR"] as const) : []),
];
