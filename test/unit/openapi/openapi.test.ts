import { describe, expect, it } from "vitest";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError, type ErrorType } from "../../../lib/errors/errors.ts";
import { toOpenApi } from "../../../lib/openapi/openapi.ts";

const options = { version: "1.2.3", issuer: "https://api.example.com" };

/** The path, method and operation of an action with these changes. */
const documentAction = (changes: Partial<ActionContract>): any => {
  const contract = {
    name: "notes",
    permissions: {
      write: { title: "Notes: Write", description: "Write notes." },
      read: { title: "Notes: Read", description: "Read notes." },
    },
    errors: { NoteLocked: { code: 409, message: "This note is locked." } },
    actions: {
      act: {
        description: "Does it; carefully.",
        restricted: ["api"],
        auth: "none",
        rest: "POST /api/notes",
        params: {},
        result: null,
        ...changes,
      },
    },
  } satisfies ServiceContract;
  const { paths } = toOpenApi(new Map([["notes", contract]]), options);
  const [[path, operations]] = Object.entries(paths) as any;
  const [[method, operation]] = Object.entries(operations) as any;
  return { path, method, operation };
};

describe("The OpenAPI document", () => {
  const document = toOpenApi(loadContracts(), options);

  it("has every route, with the action's name as its operationId", () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, { operationId }]: [string, any]) => `${operationId} ${method} ${path}`,
      ),
    );
    const declared = routesOf(loadContracts()).map(
      ({ action, method, path }) =>
        `${action} ${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`,
    );
    expect(documented.toSorted()).toEqual(declared.toSorted());
  });

  it("has the URL and the version of the API", () => {
    expect(document.servers).toEqual([{ url: "https://api.example.com" }]);
    expect(document.info).toMatchObject({ version: "1.2.3" });
    // localhost is another machine for other readers
    const local = toOpenApi(loadContracts(), { ...options, issuer: "http://localhost:3000" });
    expect(local.servers).toEqual([{ url: "/" }]);
  });

  it("divides parameters into path, query and request body", () => {
    const params = { $$strict: true, id: "uuid", text: "string", at: "number|optional" } as const;
    const read = documentAction({ rest: "GET /api/notes/:id", params });
    expect(read.path).toBe("/api/notes/{id}");
    expect(read.operation.parameters).toMatchObject([
      { name: "id", in: "path", required: true },
      { name: "text", in: "query", required: true },
      { name: "at", in: "query" },
    ]);
    expect(read.operation.requestBody).toBeUndefined();

    const { operation } = documentAction({ rest: "PUT /api/notes/:id", params });
    expect(operation.parameters).toMatchObject([{ name: "id", in: "path" }]);
    expect(operation.requestBody.content["application/json"].schema).toMatchObject({
      required: ["text"],
      properties: { text: {}, at: {} },
      additionalProperties: false,
    });
    expect(documentAction({ rest: "DELETE /api/notes/:id", params }).operation.requestBody).toBe(
      undefined,
    );
  });

  it.each([
    ["Does it; carefully.", "Does it"],
    ["Does it: carefully. And slowly.", "Does it"],
    ["Does it (RFC 6749, 4.4).", "Does it"],
    ["Does it for 1.5 seconds.", "Does it for 1.5 seconds"],
  ])("shortens the description %j to the summary %j", (description, summary) => {
    expect(documentAction({ description }).operation.summary).toBe(summary);
  });

  it("has the media type of forms for an action that takes a form", () => {
    const contract = { params: { text: "string" }, form: true } as const;
    expect(Object.keys(documentAction(contract).operation.requestBody.content)).toEqual([
      "application/x-www-form-urlencoded",
    ]);
  });

  it("has the client authentication and errors of RFC 6749 at the token endpoint", () => {
    const contract = {
      oauth: "token",
      errors: ["InvalidCredentials", "RefreshTokenInvalid"],
    } as const;
    const params = { grant_type: "string" } as const;
    const { operation } = documentAction({ ...contract, auth: "none", params });
    expect(operation.security).toEqual([{ clientBasic: [] }, {}]);
    expect(operation.responses[422]).toBeUndefined();
    const { schema, examples } = operation.responses[400].content["application/json"];
    expect(schema).toMatchObject({
      allOf: [{ $ref: "#/components/schemas/OAuthError" }],
      properties: { code: { const: 400 } },
    });
    expect(schema.properties.type.enum).toEqual([
      "BadRequest",
      "RefreshTokenInvalid",
      "VALIDATION_ERROR",
    ]);
    expect(examples.RefreshTokenInvalid.value).toMatchObject({ code: 400, error: "invalid_grant" });
    const refused = operation.responses[401].content["application/json"].examples;
    expect(refused.InvalidCredentials.value.error).toBe("invalid_client");
  });

  it("lists the error that an action declares for the time while nobody can run it", () => {
    const typesOf = (contract: { unavailable?: "UserServiceNotAccessible" }) =>
      documentAction(contract).operation.responses[503].description;
    expect(typesOf({ unavailable: "UserServiceNotAccessible" })).toMatch(
      /UserServiceNotAccessible/,
    );
    expect(typesOf({})).not.toMatch(/UserServiceNotAccessible/);
  });

  it("has the status, Location and schema of a successful response", () => {
    const created = documentAction({ status: 201, location: "/api/notes/:id", result: "string" });
    expect(created.operation.responses[201]).toMatchObject({
      headers: { Location: { description: "The URL of the new resource: `/api/notes/{id}`." } },
      content: { "application/json": { schema: { type: "string" } } },
    });
    expect(documentAction({}).operation.responses[204].content).toBeUndefined();
    expect(documentAction({ status: 202 }).operation.responses[202].content).toBeUndefined();
  });

  const namesIn = (operation: any, place: string) =>
    (operation.parameters ?? []).filter((one: any) => one.in === place).map((one: any) => one.name);
  const ETAG = { ETag: { $ref: "#/components/headers/ETag" } };

  it("has the header Idempotency-Key for idempotent actions only", () => {
    const idempotent = { status: 201, idempotent: true } as const;
    const [key] = documentAction(idempotent).operation.parameters;
    expect(key).toMatchObject({
      name: "Idempotency-Key",
      in: "header",
      schema: { minLength: 1, maxLength: 255 },
    });
    expect(key.required).toBeUndefined();
    expect(documentAction({ status: 201 }).operation.parameters).toBeUndefined();
  });

  it("has ETag, If-None-Match and If-Match for resources with a version", () => {
    const contract = {
      etag: "version",
      auth: "required",
      params: { id: "uuid" },
      result: { type: "object", props: { version: "number" } },
    } as const;
    const rest = "GET /api/notes/:id";
    const read = documentAction({ ...contract, auth: "none", rest }).operation;
    expect(read.responses[200].headers).toEqual(ETAG);
    expect(read.responses[304].headers).toEqual(ETAG);
    expect(namesIn(read, "header")).toEqual(["If-None-Match"]);
    // another user may see more fields of the same version
    const ofUser = documentAction({ ...contract, rest }).operation;
    expect(ofUser.responses[200].headers).toEqual(ETAG);
    expect(ofUser.responses[304]).toBeUndefined();
    expect(namesIn(ofUser, "header")).toEqual([]);

    const params = { ...contract.params, version: "number|optional" } as const;
    const changed = documentAction({ ...contract, params, rest: "PUT /api/notes/:id" }).operation;
    expect(changed.responses[200].headers).toEqual(ETAG);
    expect(changed.responses[304]).toBeUndefined();
    expect(namesIn(changed, "header")).toEqual(["If-Match"]);

    const removed = documentAction({
      ...contract,
      params,
      rest: "DELETE /api/notes/:id",
      result: null,
    }).operation;
    expect(removed.responses[204].headers).toBeUndefined();
    expect(namesIn(removed, "header")).toEqual(["If-Match"]);

    const unconditional = documentAction({ ...contract, rest: "PUT /api/notes/:id" }).operation;
    expect(namesIn(unconditional, "header")).toEqual([]);
  });

  it("has ETag and If-None-Match for public lists only", () => {
    const contract = { rest: "GET /api/notes", result: "string" } as const;
    const { operation } = documentAction(contract);
    expect(operation.responses[200].headers).toEqual(ETAG);
    expect(operation.responses[304].content).toBeUndefined();
    expect(namesIn(operation, "header")).toEqual(["If-None-Match"]);
    const own = documentAction({ ...contract, auth: "required" }).operation;
    expect(own.responses[200].headers).toBeUndefined();
    expect(own.responses[304]).toBeUndefined();
  });

  it("has the rate limit headers of a 429 response", () => {
    const { headers } = documentAction({}).operation.responses[429];
    expect(Object.keys(headers)).toEqual([
      "Retry-After",
      "RateLimit-Limit",
      "RateLimit-Remaining",
      "RateLimit-Reset",
      "RateLimit-Policy",
    ]);
    expect((document.components as any).headers).toMatchObject({
      "Retry-After": { required: true },
      "RateLimit-Limit": { schema: { type: "integer" } },
    });
  });

  it("names existing operations and errors in its introduction", () => {
    const { description: text } = document.info as { description: string };
    const operations = [...text.matchAll(/`([A-Z]+) (\/[^`]+)`/g)].map(
      ([, method = "", path = ""]) => (document.paths[path] as any)?.[method.toLowerCase()],
    );
    expect(operations.map((operation) => operation?.operationId)).toEqual([
      "users.register",
      "users.login",
      "auth.refresh",
      "auth.token",
    ]);
    const errors = [...text.matchAll(/(\d{3})\s`(\w+)`/g)].map(([, code, type]) => [type, code]);
    expect(errors).toHaveLength(6);
    for (const [type, code] of errors)
      expect(new CitadelError(type as ErrorType).code).toBe(Number(code));
  });

  it("has the access rules of an action", () => {
    expect(documentAction({ auth: "none" }).operation.security).toEqual([]);
    expect(documentAction({ auth: "optional" }).operation.security).toEqual([
      { bearerAuth: [] },
      {},
    ]);
    const context = documentAction({ auth: "context" });
    expect(context.operation.security).toEqual([{ bearerAuth: [] }, {}]);
    expect(context.operation.responses).not.toHaveProperty("401");
    const { operation } = documentAction({
      auth: "required",
      permissions: "notes:write",
      roles: ["moderator", "admin"],
      subjects: ["UserAccount"],
    });
    expect(operation).toMatchObject({
      security: [{ bearerAuth: [] }],
      "x-permissions": ["notes:write"],
      "x-roles": ["moderator", "admin"],
      "x-subjects": ["UserAccount"],
      "x-restricted": ["api"],
    });
    expect(operation.description).toContain("`notes:write`: Write notes.");
    const several = documentAction({
      auth: "required",
      permissions: ["notes:write", "notes:read"],
    }).operation;
    expect(several["x-permissions"]).toEqual(["notes:write", "notes:read"]);
    expect(several.description).toContain(
      "Requires one of the permissions `notes:write`, `notes:read`.",
    );
    const none = documentAction({ auth: "required", permissions: null }).operation;
    expect(none).not.toHaveProperty("x-permissions");
    expect(none.description).toContain("Requires a signed-in user.");
    expect(operation.description).toContain("Requires the role `moderator` or `admin`.");
    expect(operation.description).toContain("`UserAccount`");
  });

  it.each<[action: string, changes: Partial<ActionContract>, types: string[]]>([
    ["a public action", { auth: "none" }, []],
    ["an action with an optional user", { auth: "optional" }, ["AccessTokenExpired", "JwksError"]],
    ["an action for users", { auth: "required" }, ["AccessTokenRequired", "AccessTokenRevoked"]],
    [
      "an action with several permissions",
      { auth: "required", permissions: ["notes:write", "notes:read"] },
      ["UserNotAuthorized"],
    ],
    [
      "an action with a permission",
      { auth: "required", permissions: "notes:write" },
      ["UserNotAuthorized"],
    ],
    ["an action for some roles", { auth: "required", roles: ["admin"] }, ["UserNotAuthorized"]],
    [
      "an action for some subject types",
      { auth: "required", subjects: ["UserAccount"] },
      ["UserNotAuthorized"],
    ],
    [
      "an action with an id in its path",
      { rest: "GET /api/notes/:id" },
      ["NotFound", "BadRequest"],
    ],
    ["an action that creates a resource", { status: 201 }, ["Conflict"]],
    ["an idempotent action", { idempotent: true }, ["Conflict", "VALIDATION_ERROR"]],
    [
      "an action that removes a version",
      { rest: "DELETE /api/notes", etag: "at", params: { at: "number|optional" } },
      ["PreconditionFailed", "BadRequest"],
    ],
    ["an action with parameters", { params: { a: "string" } }, ["VALIDATION_ERROR"]],
    [
      "an action with a request body",
      { rest: "PUT /api/notes" },
      ["PayloadTooLarge", "UnsupportedMediaType", "BadRequest"],
    ],
    ["an action that declares errors", { errors: ["NoteLocked"] }, ["NoteLocked"]],
  ])("lists the errors of %s", (_action, changes, types) => {
    const typesOf = (operation: any) =>
      Object.values(operation.responses).flatMap(
        (response: any) =>
          response.content?.["application/json"].schema.properties?.type?.enum ?? [],
      );
    expect(typesOf(documentAction(changes).operation)).toEqual(
      expect.arrayContaining([...types, "TooManyRequests", "InternalError"]),
    );
    const bare = typesOf(documentAction({ rest: "GET /api/notes" }).operation);
    for (const type of types) expect(bare).not.toContain(type);
  });
});
