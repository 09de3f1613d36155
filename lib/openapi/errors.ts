import { namedPermissions } from "../contract/declarations/permission.ts";
import type { Route } from "../contract/load.ts";
import { CitadelError, type DeclaredError, type ErrorType } from "../errors/errors.ts";
import { OAUTH_ERRORS, type OAuthKind, toOAuthError } from "../errors/oauth-errors.ts";
import type { JsonSchema } from "./json-schema.ts";
import { ERROR_HEADERS, headerErrorsOf, headersOf } from "./headers.ts";

/** The error responses of each operation, and their schema. */

/** Errors of every operation: a limit is reached, or something is unavailable. */
export const ALWAYS: readonly ErrorType[] = [
  "TooManyRequests",
  "InternalError",
  "ServiceNotAvailable",
  "GuardNotAccessible",
  "DatabaseNotAccessible",
  "RequestTimeout",
];

/** Errors of operations that verify an access token. */
export const TOKEN_ERRORS: readonly ErrorType[] = [
  "AccessTokenExpired",
  "AccessTokenRevoked",
  "AccessTokenVerificationFailed",
  "SigningKeyNotFound",
  "JwksError",
  "IdentityServiceNotAccessible",
];

/** Error types by name: the application's and the services' own. */
export type KnownErrors = ReadonlyMap<string, DeclaredError>;

/** The errors of a route, from its contract. */
export function errorsOf({ method, path, contract }: Route, known: KnownErrors): DeclaredError[] {
  const { auth, permissions, roles, subjects, params, status, unavailable, errors = [] } = contract;
  // the body of a DELETE is ignored, but parsed and limited
  const hasBody = method !== "GET";
  const hasId = path.includes(":");
  const types: string[] = [
    ...ALWAYS,
    ...(hasBody || hasId ? (["BadRequest"] as const) : []),
    ...(hasBody ? (["PayloadTooLarge", "UnsupportedMediaType"] as const) : []),
    ...(auth === "required" ? (["AccessTokenRequired"] as const) : []),
    ...(auth === "none" || auth === "context" ? [] : TOKEN_ERRORS),
    ...(namedPermissions(permissions).length > 0 || roles || subjects
      ? (["UserNotAuthorized"] as const)
      : []),
    ...(hasId ? (["NotFound"] as const) : []),
    ...headerErrorsOf(contract),
    ...(method === "POST" && status === 201 ? (["Conflict"] as const) : []),
    ...(Object.keys(params).length > 0 ? (["VALIDATION_ERROR"] as const) : []),
    ...(unavailable ? [unavailable] : []),
    ...errors,
  ];
  return [...known.values()].filter(({ type }) => types.includes(type));
}

/** The schema of all errors. */
const errorSchema = (known: KnownErrors): JsonSchema => ({
  type: "object",
  description: "An error.",
  properties: {
    name: { type: "string" },
    message: { type: "string", description: "For people: what to do." },
    code: { type: "integer", description: "The HTTP status." },
    type: { type: "string", enum: [...known.keys()], description: "For programs." },
    data: { description: "Details, such as the invalid fields of a VALIDATION_ERROR." },
  },
  required: ["name", "message", "code", "type"],
  additionalProperties: false,
});

/** The schema of errors for OAuth clients (RFC 6749, 5.2). */
const toOAuthSchema = (schema: JsonSchema): JsonSchema => ({
  ...schema,
  properties: {
    ...schema.properties,
    error: { type: "string", enum: [...OAUTH_ERRORS], description: "For OAuth clients." },
    error_description: { type: "string", description: "The `message` in ASCII." },
  },
  required: [...(schema.required ?? []), "error", "error_description"],
});

/** The schemas of errors. */
export function errorSchemas(known: KnownErrors): { Error: JsonSchema; OAuthError: JsonSchema } {
  const schema = errorSchema(known);
  return { Error: schema, OAuthError: toOAuthSchema(schema) };
}

/** The responses for these errors, by status. */
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

/** An example of each error type. */
export const errorExamples = (known: KnownErrors): Record<string, object> =>
  Object.fromEntries(
    [...known.values()].map((declared) => {
      const value = new CitadelError(declared).toJSON();
      return [value.type, { value }];
    }),
  );
