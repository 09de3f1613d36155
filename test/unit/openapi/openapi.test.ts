import { describe, expect, it } from "vitest";
import type { ActionContract } from "../../../lib/contract/action.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError, type ErrorType } from "../../../lib/errors/errors.ts";
import { toOpenApi } from "../../../lib/openapi/openapi.ts";

const options = { version: "1.2.3", issuer: "https://api.example.com" };

/** What is said of an action with these declarations. */
const describing = (changes: Partial<ActionContract>): any => {
  const contract = {
    name: "notes",
    permissions: { write: "Write notes." },
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

describe("the description of the API", () => {
  const description = toOpenApi(loadContracts(), options);

  it("has every route, under the action's name", () => {
    const described = Object.entries(description.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, { operationId }]: [string, any]) => `${operationId} ${method} ${path}`,
      ),
    );
    const declared = routesOf(loadContracts()).map(
      ({ action, method, path }) =>
        `${action} ${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`,
    );
    expect(described.toSorted()).toEqual(declared.toSorted());
  });

  it("says where the API is and which version", () => {
    expect(description.servers).toEqual([{ url: "https://api.example.com" }]);
    expect(description.info).toMatchObject({ version: "1.2.3" });
    // another machine's localhost is not this one
    const local = toOpenApi(loadContracts(), { ...options, issuer: "http://localhost:3000" });
    expect(local.servers).toEqual([{ url: "/" }]);
  });

  it("puts parameters into the path, the query and the body, as the gateway reads them", () => {
    const params = { $$strict: true, id: "uuid", text: "string", at: "number|optional" } as const;
    const read = describing({ rest: "GET /api/notes/:id", params });
    expect(read.path).toBe("/api/notes/{id}");
    expect(read.operation.parameters).toMatchObject([
      { name: "id", in: "path", required: true },
      { name: "text", in: "query", required: true },
      { name: "at", in: "query" },
    ]);
    expect(read.operation.requestBody).toBeUndefined();

    const { operation } = describing({ rest: "PUT /api/notes/:id", params });
    expect(operation.parameters).toMatchObject([{ name: "id", in: "path" }]);
    expect(operation.requestBody.content["application/json"].schema).toMatchObject({
      required: ["text"],
      properties: { text: {}, at: {} },
      additionalProperties: false,
    });
    expect(describing({ rest: "DELETE /api/notes/:id", params }).operation.requestBody).toBe(
      undefined,
    );
  });

  it.each([
    ["Does it; carefully.", "Does it"],
    ["Does it: carefully. And slowly.", "Does it"],
    ["Does it (RFC 6749, 4.4).", "Does it"],
    ["Does it for 1.5 seconds.", "Does it for 1.5 seconds"],
  ])("sums up %s", (said, summary) => {
    expect(describing({ description: said }).operation.summary).toBe(summary);
  });

  it("says what is a form", () => {
    const contract = { params: { text: "string" }, form: true } as const;
    expect(Object.keys(describing(contract).operation.requestBody.content)).toEqual([
      "application/x-www-form-urlencoded",
    ]);
  });

  it("describes the token endpoint as RFC 6749 has it", () => {
    const contract = {
      oauth: "token",
      errors: ["InvalidCredentials", "RefreshTokenInvalid"],
    } as const;
    const params = { grant_type: "string" } as const;
    const { operation } = describing({ ...contract, auth: "none", params });
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

  it("says what success is", () => {
    const made = describing({ status: 201, location: "/api/notes/:id", result: "string" });
    expect(made.operation.responses[201]).toMatchObject({
      headers: { Location: { description: "Where it is: `/api/notes/{id}`." } },
      content: { "application/json": { schema: { type: "string" } } },
    });
    expect(describing({}).operation.responses[204].content).toBeUndefined();
    expect(describing({ status: 202 }).operation.responses[202].content).toBeUndefined();
  });

  const namesIn = (operation: any, place: string) =>
    (operation.parameters ?? []).filter((one: any) => one.in === place).map((one: any) => one.name);
  const ETAG = { ETag: { $ref: "#/components/headers/ETag" } };

  it("says what can be sent again", () => {
    const made = { status: 201, idempotent: true } as const;
    const [key] = describing(made).operation.parameters;
    expect(key).toMatchObject({
      name: "Idempotency-Key",
      in: "header",
      schema: { minLength: 1, maxLength: 255 },
    });
    expect(key.required).toBeUndefined();
    expect(describing({ status: 201 }).operation.parameters).toBeUndefined();
  });

  it("says what has a version, and what is changed in one version only", () => {
    const contract = {
      etag: "version",
      auth: "required",
      params: { id: "uuid" },
      result: { type: "object", props: { version: "number" } },
    } as const;
    const rest = "GET /api/notes/:id";
    const read = describing({ ...contract, auth: "none", rest }).operation;
    expect(read.responses[200].headers).toEqual(ETAG);
    expect(read.responses[304].headers).toEqual(ETAG);
    expect(namesIn(read, "header")).toEqual(["If-None-Match"]);
    // somebody else may see more of it
    const own = describing({ ...contract, rest }).operation;
    expect(own.responses[200].headers).toEqual(ETAG);
    expect(own.responses[304]).toBeUndefined();
    expect(namesIn(own, "header")).toEqual([]);

    const params = { ...contract.params, version: "number|optional" } as const;
    const changed = describing({ ...contract, params, rest: "PUT /api/notes/:id" }).operation;
    expect(changed.responses[200].headers).toEqual(ETAG);
    expect(changed.responses[304]).toBeUndefined();
    expect(namesIn(changed, "header")).toEqual(["If-Match"]);

    const removed = describing({
      ...contract,
      params,
      rest: "DELETE /api/notes/:id",
      result: null,
    }).operation;
    expect(removed.responses[204].headers).toBeUndefined();
    expect(namesIn(removed, "header")).toEqual(["If-Match"]);

    const unconditional = describing({ ...contract, rest: "PUT /api/notes/:id" }).operation;
    expect(namesIn(unconditional, "header")).toEqual([]);
  });

  it("says that what anybody may read is asked for again only when it has changed", () => {
    const contract = { rest: "GET /api/notes", result: "string" } as const;
    const { operation } = describing(contract);
    expect(operation.responses[200].headers).toEqual(ETAG);
    expect(operation.responses[304].content).toBeUndefined();
    expect(namesIn(operation, "header")).toEqual(["If-None-Match"]);
    const own = describing({ ...contract, auth: "required" }).operation;
    expect(own.responses[200].headers).toBeUndefined();
    expect(own.responses[304]).toBeUndefined();
  });

  it("says with too many requests how many there may be, and when", () => {
    const { headers } = describing({}).operation.responses[429];
    expect(Object.keys(headers)).toEqual([
      "Retry-After",
      "RateLimit-Limit",
      "RateLimit-Remaining",
      "RateLimit-Reset",
      "RateLimit-Policy",
    ]);
    expect((description.components as any).headers).toMatchObject({
      "Retry-After": { required: true },
      "RateLimit-Limit": { schema: { type: "integer" } },
    });
  });

  it("says first how to sign in, with operations and errors that there are", () => {
    const { description: text } = description.info as { description: string };
    const named = [...text.matchAll(/`([A-Z]+) (\/[^`]+)`/g)].map(
      ([, method = "", path = ""]) => (description.paths[path] as any)?.[method.toLowerCase()],
    );
    expect(named.map((operation) => operation?.operationId)).toEqual([
      "users.register",
      "users.login",
      "auth.refresh",
      "auth.token",
    ]);
    const errors = [...text.matchAll(/(\d{3})\s`(\w+)`/g)].map(([, code, type]) => [type, code]);
    expect(errors).toHaveLength(5);
    for (const [type, code] of errors)
      expect(new CitadelError(type as ErrorType).code).toBe(Number(code));
  });

  it("says whom an action asks for", () => {
    expect(describing({ auth: "none" }).operation.security).toEqual([]);
    expect(describing({ auth: "optional" }).operation.security).toEqual([{ bearerAuth: [] }, {}]);
    const { operation } = describing({
      auth: "required",
      permissions: "notes:write",
      subjects: ["UserAccount"],
    });
    expect(operation).toMatchObject({
      security: [{ bearerAuth: [] }],
      "x-permissions": ["notes:write"],
      "x-subjects": ["UserAccount"],
      "x-restricted": ["api"],
    });
    expect(operation.description).toContain("`notes:write`: Write notes.");
    expect(operation.description).toContain("`UserAccount`");
  });

  it.each<[what: string, changes: Partial<ActionContract>, types: string[]]>([
    ["nobody's", { auth: "none" }, []],
    ["somebody's, perhaps", { auth: "optional" }, ["AccessTokenExpired", "JwksError"]],
    ["a user's", { auth: "required" }, ["AccessTokenRequired", "AccessTokenRevoked"]],
    [
      "one with a permission",
      { auth: "required", permissions: "notes:write" },
      ["UserNotAuthorized"],
    ],
    ["one for some", { auth: "required", subjects: ["UserAccount"] }, ["UserNotAuthorized"]],
    ["one with an id", { rest: "GET /api/notes/:id" }, ["NotFound", "BadRequest"]],
    ["one that makes", { status: 201 }, ["Conflict"]],
    ["one that can be sent again", { idempotent: true }, ["Conflict", "VALIDATION_ERROR"]],
    [
      "one that removes a version",
      { rest: "DELETE /api/notes", etag: "at", params: { at: "number|optional" } },
      ["PreconditionFailed", "BadRequest"],
    ],
    ["one with parameters", { params: { a: "string" } }, ["VALIDATION_ERROR"]],
    [
      "one with a body",
      { rest: "PUT /api/notes" },
      ["PayloadTooLarge", "UnsupportedMediaType", "BadRequest"],
    ],
    ["one that says more", { errors: ["NoteLocked"] }, ["NoteLocked"]],
  ])("lists the errors of %s", (_what, changes, types) => {
    const typesOf = (operation: any) =>
      Object.values(operation.responses).flatMap(
        (response: any) =>
          response.content?.["application/json"].schema.properties?.type?.enum ?? [],
      );
    expect(typesOf(describing(changes).operation)).toEqual(
      expect.arrayContaining([...types, "TooManyRequests", "InternalError"]),
    );
    const bare = typesOf(describing({ rest: "GET /api/notes" }).operation);
    for (const type of types) expect(bare).not.toContain(type);
  });
});
