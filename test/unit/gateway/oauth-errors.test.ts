import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { CitadelError, type ErrorDetails, type ErrorType } from "../../../lib/errors/errors.ts";
import { toOAuthError } from "../../../lib/errors/oauth-errors.ts";
import { errorMethods } from "../../../services/api/http/responses/errors.ts";

describe("An error at the token endpoint", () => {
  const shown = (type: ErrorType, details?: ErrorDetails) =>
    toOAuthError(new CitadelError(type, details).toJSON(), "token");

  it.each<[type: ErrorType, code: number, error: string]>([
    ["BadRequest", 400, "invalid_request"],
    ["VALIDATION_ERROR", 400, "invalid_request"],
    ["RefreshTokenInvalid", 400, "invalid_grant"],
    ["RefreshTokenReused", 400, "invalid_grant"],
    ["InvalidCredentials", 401, "invalid_client"],
    ["PayloadTooLarge", 413, "invalid_request"],
    ["TooManyRequests", 429, "temporarily_unavailable"],
    ["InternalError", 500, "server_error"],
    ["ServiceNotAvailable", 503, "temporarily_unavailable"],
    ["RequestTimeout", 504, "temporarily_unavailable"],
  ])("of type %s has the status %i and the error %s", (type, code, error) => {
    expect(shown(type)).toMatchObject({ type, code, error });
  });

  it("has a description in the characters that RFC 6749 allows", () => {
    const message = 'A "name", a \\ and an é.';
    expect(shown("BadRequest", { message })).toMatchObject({
      message,
      error_description: "A 'name', a ' and an '.",
    });
  });
});

describe("The headers of an error", () => {
  const headersOf = (type: ErrorType, data: object) => {
    const req = new IncomingMessage(new Socket());
    req.url = "/api/users";
    const res = new ServerResponse(req);
    errorMethods.sendError(req, res, new CitadelError(type, { data }));
    expect(res.writableEnded).toBe(true);
    return res.getHeaders();
  };

  it("contain the missing permission", () => {
    expect(headersOf("UserNotAuthorized", { permission: "users:write" })).toMatchObject({
      "www-authenticate": 'Bearer error="insufficient_scope", scope="users:write"',
    });
  });

  it.each([undefined, {}, 'a"b', "a\r\nX-Other: b", ""])(
    "do not contain the invalid value %j from a service",
    (value) => {
      const refused = headersOf("UserNotAuthorized", { permission: value });
      expect(refused).not.toHaveProperty("www-authenticate");
      expect(headersOf("TooManyRequests", { retryAfter: value })["retry-after"]).toBe(1);
      expect(headersOf("MethodNotAllowed", { allowed: value })).toMatchObject({ allow: "" });
    },
  );
});
