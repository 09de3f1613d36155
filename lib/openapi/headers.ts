import type { ActionContract } from "../contract/action.ts";
import { isForEverybody } from "../contract/load.ts";
import type { ErrorType } from "../errors/errors.ts";
import type { JsonSchema } from "./json-schema.ts";

/** What operations take and answer in headers. */

interface Header {
  description: string;
  /** Is it always there? */
  required?: true;
  schema: JsonSchema;
}

const TEXT: JsonSchema = { type: "string" };
const COUNT: JsonSchema = { type: "integer", minimum: 0 };

/** The headers of answers, whatever the operation. Where an operator has set no limit, none is told. */
export const RESPONSE_HEADERS = {
  ETag: {
    description:
      "Names this very state of it (RFC 9110, 8.8.3). A response of more than 500,000 characters has none.",
    schema: { type: "string", pattern: '^(W/)?"[!#-~]+"$' },
  },
  "RateLimit-Limit": { description: "How many requests are let through.", schema: COUNT },
  "RateLimit-Policy": {
    description: "Each limit that counts here: `600;w=60` is 600 in 60 seconds.",
    schema: TEXT,
  },
  "RateLimit-Remaining": { description: "How many of them are left.", schema: COUNT },
  "RateLimit-Reset": {
    description: "In how many seconds the count begins anew.",
    schema: COUNT,
  },
  "Retry-After": {
    description: "In how many seconds to try again.",
    required: true,
    schema: COUNT,
  },
  "WWW-Authenticate": {
    description: "What to authenticate with (RFC 6750, 3; at the token endpoint RFC 6749, 5.2).",
    required: true,
    schema: TEXT,
  },
} as const satisfies Record<string, Header>;

type HeaderName = keyof typeof RESPONSE_HEADERS;

/** Headers of a response, by reference. */
export const headersOf = (names: readonly HeaderName[]): Record<string, object> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** The headers of errors, by their status. */
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

/** Is a change of this made only to the version that `If-Match` names? */
const takesVersion = ({ etag, params }: ActionContract) =>
  etag !== undefined && params[etag] !== undefined;

/** Is what this answers named by an `ETag`? */
export const isTagged = (contract: ActionContract): boolean =>
  contract.result !== null && (contract.etag !== undefined || isForEverybody(contract));

/** May the answer be that nothing has changed? */
export const isConditional = (contract: ActionContract): boolean =>
  isTagged(contract) && isForEverybody(contract);

/** The answer to who has it already. */
export const NOT_MODIFIED = {
  304: { description: "It is what you have.", headers: headersOf(["ETag"]) },
};

export const IF_NONE_MATCH = {
  name: "If-None-Match",
  in: "header",
  description: "The `ETag` of what you have: if it is the same still, the answer is 304.",
  schema: TEXT,
};

const IF_MATCH = {
  name: "If-Match",
  in: "header",
  description:
    "The `ETag` of what you have read: if somebody has changed it since, the answer is 412, and " +
    "nothing is changed. Left out, the last one wins.",
  schema: { type: "string", pattern: '^(\\*|"\\d{1,9}")$' },
};

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  description:
    "A name of your own for this request, at best a random UUID. A repeat with the same one gets " +
    "the first answer, for a day, and makes nothing more; while the first is under way, it waits or gets " +
    "409; for another request of the same user, 422. A repeated registration signs in instead.",
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!#-~]+$" },
};

/** The headers that an action takes, as OpenAPI's parameters. */
export const headerParametersOf = (contract: ActionContract): object[] => [
  ...(isConditional(contract) ? [IF_NONE_MATCH] : []),
  ...(takesVersion(contract) ? [IF_MATCH] : []),
  ...(contract.idempotent ? [IDEMPOTENCY_KEY] : []),
];

/** What may be wrong with them, or come of them. */
export const headerErrorsOf = (contract: ActionContract): ErrorType[] => [
  ...(takesVersion(contract) ? (["BadRequest", "PreconditionFailed"] as const) : []),
  ...(contract.idempotent ? (["BadRequest", "Conflict", "VALIDATION_ERROR"] as const) : []),
];
