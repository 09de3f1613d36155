import type { Route } from "../contract/load.ts";
import { CitadelError, type DeclaredError, type ErrorType } from "../errors/errors.ts";
import { OAUTH_ERRORS, type OAuthKind, toOAuthError } from "../errors/oauth-errors.ts";
import type { JsonSchema } from "./json-schema.ts";
import { ERROR_HEADERS, headerErrorsOf, headersOf } from "./headers.ts";

/** Which errors each operation may answer with, and what they look like. */

/** Whatever is asked for: too much of it, or something behind it is away. */
const ALWAYS: readonly ErrorType[] = [
  "TooManyRequests",
  "InternalError",
  "ServiceNotAvailable",
  "GuardNotAccessible",
  "DatabaseNotAccessible",
  "RequestTimeout",
];

/** Where a token is looked at. */
const OF_TOKENS: readonly ErrorType[] = [
  "AccessTokenExpired",
  "AccessTokenRevoked",
  "AccessTokenVerificationFailed",
  "SigningKeyNotFound",
  "JwksError",
  "IdentityServiceNotAccessible",
];

/** Error types by name: the application's and the services' own. */
export type KnownErrors = ReadonlyMap<string, DeclaredError>;

/** The errors that a route may respond with, by its declarations. */
export function errorsOf({ method, path, contract }: Route, known: KnownErrors): DeclaredError[] {
  const { auth, permissions, subjects, params, status, errors = [] } = contract;
  // a DELETE takes no parameters from its body, which is read and bounded nevertheless
  const hasBody = method !== "GET";
  const hasId = path.includes(":");
  const types: string[] = [
    ...ALWAYS,
    ...(hasBody || hasId ? (["BadRequest"] as const) : []),
    ...(hasBody ? (["PayloadTooLarge", "UnsupportedMediaType"] as const) : []),
    ...(auth === "required" ? (["AccessTokenRequired"] as const) : []),
    ...(auth === "none" ? [] : OF_TOKENS),
    ...(permissions || subjects ? (["UserNotAuthorized"] as const) : []),
    ...(hasId ? (["NotFound"] as const) : []),
    ...headerErrorsOf(contract),
    ...(method === "POST" && status === 201 ? (["Conflict"] as const) : []),
    ...(Object.keys(params).length > 0 ? (["VALIDATION_ERROR"] as const) : []),
    ...errors,
  ];
  return [...known.values()].filter(({ type }) => types.includes(type));
}

/** The one shape that all errors have. */
const errorSchema = (known: KnownErrors): JsonSchema => ({
  type: "object",
  description: "What went wrong, and what to do about it.",
  properties: {
    name: { type: "string" },
    message: { type: "string", description: "For a person: what to do." },
    code: { type: "integer", description: "The HTTP status." },
    type: { type: "string", enum: [...known.keys()], description: "For a program." },
    data: { description: "What is known beyond that; of VALIDATION_ERROR, each finding." },
  },
  required: ["name", "message", "code", "type"],
  additionalProperties: false,
});

/** The same where OAuth clients ask (RFC 6749, 5.2). */
const toOAuthSchema = (schema: JsonSchema): JsonSchema => ({
  ...schema,
  properties: {
    ...schema.properties,
    error: { type: "string", enum: [...OAUTH_ERRORS], description: "For an OAuth client." },
    error_description: { type: "string", description: "What `message` says, in ASCII." },
  },
  required: [...(schema.required ?? []), "error", "error_description"],
});

/** The schemas of errors. */
export function errorSchemas(known: KnownErrors): { Error: JsonSchema; OAuthError: JsonSchema } {
  const schema = errorSchema(known);
  return { Error: schema, OAuthError: toOAuthSchema(schema) };
}

/** The answers with these errors, by their status: which types each has. */
export function errorResponses(
  declared: readonly DeclaredError[],
  oauth?: OAuthKind,
): Record<string, object> {
  const errors = declared.map((one) => {
    const error = new CitadelError(one).toJSON();
    return oauth ? toOAuthError(error, oauth) : error;
  });
  const responses = [...Map.groupBy(errors, ({ code }) => code)].map(([code, ofCode]) => {
    const headers = ERROR_HEADERS[code];
    return [
      code,
      {
        description: ofCode.map(({ type }) => type).join(", "),
        ...(headers && { headers: headersOf(headers) }),
        content: {
          "application/json": {
            schema: {
              allOf: [{ $ref: `#/components/schemas/${oauth ? "OAuthError" : "Error"}` }],
              properties: { code: { const: code }, type: { enum: ofCode.map(({ type }) => type) } },
            },
            examples: Object.fromEntries(
              ofCode.map((value) => [
                value.type,
                oauth ? { value } : { $ref: `#/components/examples/${value.type}` },
              ]),
            ),
          },
        },
      },
    ];
  });
  return Object.fromEntries(responses) as Record<string, object>;
}

/** Every error as it looks. */
export const errorExamples = (known: KnownErrors): Record<string, object> =>
  Object.fromEntries(
    [...known.values()].map((declared) => {
      const value = new CitadelError(declared).toJSON();
      return [value.type, { value }];
    }),
  );
