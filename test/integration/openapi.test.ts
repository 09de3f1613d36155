import { randomBytes, randomUUID } from "node:crypto";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadContracts } from "../../lib/contracts.ts";
import { toOpenApi } from "../../lib/openapi/openapi.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, type Answer, request } from "../helpers/http.ts";

interface Operation {
  id: string;
  method: string;
  path: string;
  described: any;
}

const operationsOf = (paths: Record<string, Record<string, any>>): Operation[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, described]) => ({
      id: described.operationId,
      method: method.toUpperCase(),
      path,
      described,
    })),
  );

const actions = operationsOf(
  toOpenApi(loadContracts(), { version: "0", issuer: "http://localhost" }).paths,
);

/** What fits a schema, where no example does. */
function generate(schema: any): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object")
    return Object.fromEntries(
      (schema.required ?? []).map((name: string) => [name, generate(schema.properties[name])]),
    );
  if (type === "array") return Array.from({ length: schema.minItems ?? 0 }, () => "x");
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return true;
  if (schema.format === "uuid") return randomUUID();
  if (schema.format === "email") return `${randomBytes(5).toString("hex")}@example.com`;
  if (schema.format === "uri") return "https://example.com/";
  return "x".repeat(schema.minLength ?? 1);
}

/** Every answer of the API, held against what its description says of it. */
describe.skipIf(isMissing)("the description of the API", () => {
  let app: App;
  let description: any;
  let adminId: string;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  (addFormats as any)(ajv);

  beforeAll(async () => {
    app = await startApp();
    description = (await request(app, "GET /openapi.json")).body;
    ajv.addSchema(description, "openapi");
    adminId = (await administrator(app)).id;
  });
  afterAll(() => app?.stop());

  /** A token of a session of its own: some operations end theirs. */
  const signIn = async () =>
    (await callFrom(app, "users", "auth.createSession", { userId: adminId })).access_token;

  /** The schema of an answer. Its references lead into the description. */
  const validatorOf = ({ path, method }: Operation, status: number, type: string) => {
    const escape = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");
    const steps = ["paths", path, method.toLowerCase(), "responses", status, "content", type];
    const pointer = [...steps, "schema"].map((step) => encodeURIComponent(escape(String(step))));
    return ajv.getSchema(`openapi#/${pointer.join("/")}`);
  };

  const faultOfHeader = ({ $ref, ...inline }: any, value: string | null): string | undefined => {
    const { required, schema } = $ref
      ? description.components.headers[$ref.split("/").at(-1)]
      : inline;
    if (value === null) return required ? "missing" : undefined;
    const validate = ajv.compile(schema);
    const read = schema.type === "integer" ? Number(value) : value;
    return validate(read) ? undefined : ajv.errorsText(validate.errors);
  };

  /** What of an answer is not as it is described. */
  const faultOf = (operation: Operation, { status, body, headers }: Answer): string | undefined => {
    const response = operation.described.responses[status];
    if (!response) return "this status is not described";
    for (const [name, header] of Object.entries<any>(response.headers ?? {})) {
      const fault = faultOfHeader(header, headers.get(name));
      if (fault) return `the header ${name}: ${fault}`;
    }
    if (!response.content) return body === "" ? undefined : "there should be no body";
    const [type = ""] = headers.get("content-type")?.split(";") ?? [];
    if (!Object.hasOwn(response.content, type)) return `${type} is not described`;
    const validate = validatorOf(operation, status, type)!;
    return validate(body) ? undefined : ajv.errorsText(validate.errors);
  };

  const holdAgainst = (operation: Operation, answer: Answer) => {
    const { status, body } = answer;
    const fault = faultOf(operation, answer);
    expect(fault && { fault, status, body }).toBeUndefined();
  };

  /** What an operation is called with: each example, or what fits its schema. */
  const paramsOf = ({ described }: Operation) => {
    const [[type, content] = ["", undefined]] = Object.entries<any>(
      described.requestBody?.content ?? {},
    );
    const [inPath, inQuery] = ["path", "query"].map((place) =>
      (described.parameters ?? [])
        .filter((parameter: any) => parameter.in === place)
        .filter((parameter: any) => parameter.required || "example" in parameter)
        .map(({ name, schema, example }: any) => [name, example ?? generate(schema)]),
    ) as [[string, string][], [string, string][]];
    const body = content && { ...(generate(content.schema) as object), ...content.example };
    // two cannot have the same, and other tests have used the example
    for (const name of ["username", "name"])
      if (typeof body?.[name] === "string") body[name] = `x${randomBytes(5).toString("hex")}`;
    if (body?.email) body.email = `${randomBytes(5).toString("hex")}@example.com`;
    return { type, body, inPath: Object.fromEntries(inPath), inQuery: Object.fromEntries(inQuery) };
  };

  const call = (operation: Operation, token?: string, changes: Changes = {}) => {
    const { type, body, inPath, inQuery, headers } = { ...paramsOf(operation), ...changes };
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name) =>
      encodeURIComponent(inPath[name] ?? ""),
    );
    const query = new URLSearchParams(inQuery).toString();
    const isForm = type.includes("form");
    return request(app, `${operation.method} ${path}${query && `?${query}`}`, {
      token,
      body: body && isForm ? new URLSearchParams(body).toString() : body,
      headers: { ...(type && { "content-type": type }), ...headers },
    });
  };
  type Changes = Partial<ReturnType<typeof paramsOf>> & { headers?: Record<string, string> };

  /**
   * The id of something that is there: made by the operation of the path before it, or from its list.
   * Where neither is, the example's.
   */
  const idsFor = async (operation: Operation, token: string): Promise<Record<string, string>> => {
    const { inPath } = paramsOf(operation);
    const collection = /^(.+)\/\{(\w+)\}(\/|$)/.exec(operation.path);
    if (!collection) return inPath;
    const [, path, name = ""] = collection;
    const among = operationsOf(description.paths).filter((one) => one.path === path);
    for (const method of ["POST", "GET"]) {
      const maker = among.find((one) => one.method === method);
      const { body } = maker ? await call(maker, token) : { body: undefined };
      const id = body?.id ?? body?.items?.[0]?.id;
      if (id !== undefined) return { ...inPath, [name]: id };
    }
    return inPath;
  };

  const calledWell = async (operation: Operation) => {
    const token = await signIn();
    const inPath = await idsFor(operation, token);
    return call(operation, token, { inPath });
  };

  it("is the same for everybody, and asked for again only when it has changed", async () => {
    const { headers } = await request(app, "GET /openapi.json");
    expect(headers.get("cache-control")).toBe("no-cache");
    const etag = headers.get("etag")!;
    expect(etag).toMatch(/^"[\w-]{43}(-gzip)?"$/);
    const fresh = { "if-none-match": etag };
    expect((await request(app, "GET /openapi.json", { headers: fresh })).status).toBe(304);
    expect(
      (await request(app, "GET /openapi.json", { headers: { "if-none-match": '"x"' } })).status,
    ).toBe(200);
    const plain = await request(app, "GET /openapi.json", {
      headers: { "accept-encoding": "identity" },
    });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(plain.body).toEqual(description);
  });

  it("has the operations of the contracts, and the gateway's own", () => {
    const ids = operationsOf(description.paths).map(({ id }) => id);
    expect(ids.toSorted()).toEqual(
      [
        ...actions.map(({ id }) => id),
        "api.description",
        "api.docs",
        "api.live",
        "api.ready",
      ].toSorted(),
    );
  });

  it.each(["api.description", "api.docs", "api.live", "api.ready"])("fits %s", async (id) => {
    const operation = operationsOf(description.paths).find((one) => one.id === id)!;
    const answer = await call(operation);
    expect(answer.status).toBe(200);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as an administrator calls it", async (operation) => {
    const answer = await calledWell(operation);
    expect(answer.status).toBeLessThan(500);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as nobody calls it", async (operation) => {
    const answer = await call(operation);
    expect(answer.status).toBeLessThan(500);
    if (operation.described.security.length === 1) expect(answer.status).toBe(401);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as somebody calls it who has not read it", async (operation) => {
    const unknown = Object.keys(paramsOf(operation).inPath).map((name) => [name, randomUUID()]);
    const answer = await call(operation, await signIn(), {
      inPath: Object.fromEntries(unknown),
      inQuery: { nonsense: "1" },
      ...(operation.described.requestBody && { body: { nonsense: 1 } }),
    });
    expect(answer.status).toBeLessThan(500);
    holdAgainst(operation, answer);
  });

  const takes = (header: string) => (operation: Operation) =>
    (operation.described.parameters ?? []).some(({ name }: any) => name === header);
  const readerOf = ({ path }: Operation) =>
    actions.find(
      (one) => one.path === path && one.method === "GET" && 304 in one.described.responses,
    );

  it.each(actions.filter(takes("If-None-Match")))(
    "fits $id as somebody calls it who has it already",
    async (operation) => {
      const token = await signIn();
      const inPath = await idsFor(operation, token);
      const { headers } = await call(operation, token, { inPath });
      const fresh = { "if-none-match": headers.get("etag")! };
      const answer = await call(operation, token, { inPath, headers: fresh });
      expect(answer.status).toBe(304);
      holdAgainst(operation, answer);
    },
  );

  it.each(actions.filter(takes("If-Match")))(
    "fits $id as somebody calls it who has read an older version",
    async (operation) => {
      const token = await signIn();
      const inPath = await idsFor(operation, token);
      for (const [tag, status] of [
        ['"999999999"', 412],
        ['"1", "2"', 400],
      ] as const) {
        const answer = await call(operation, token, { inPath, headers: { "if-match": tag } });
        expect(answer.status).toBe(status);
        holdAgainst(operation, answer);
      }
    },
  );

  it.each(actions.filter(takes("If-Match")).filter(readerOf))(
    "fits $id as somebody calls it who has read this version",
    async (operation) => {
      const token = await signIn();
      const inPath = await idsFor(operation, token);
      const { headers } = await call(readerOf(operation)!, token, { inPath });
      const read = { "if-match": headers.get("etag")! };
      const answer = await call(operation, token, { inPath, headers: read });
      expect(answer.status).toBeLessThan(300);
      holdAgainst(operation, answer);
    },
  );

  it.each(actions.filter(takes("Idempotency-Key")))(
    "fits $id as somebody calls it again",
    async (operation) => {
      const token = await signIn();
      const inPath = await idsFor(operation, token);
      const { body } = paramsOf(operation);
      const send = (sent: unknown, key: string) =>
        call(operation, token, { inPath, body: sent, headers: { "idempotency-key": key } });
      const key = randomUUID();
      const first = await send(body, key);
      expect(first.status).toBeLessThan(300);
      const again = await send(body, key);
      expect(again.status).toBe(first.status);
      // a registration signs in again: tokens are not kept
      const isKept = operation.id !== "users.register";
      expect(again.body).toMatchObject(isKept ? first.body : { user: first.body.user });
      const other = Object.fromEntries(Object.keys(body).map((name) => [name, `${body[name]}x`]));
      const reused = await send(other, key);
      // and whoever is nobody may use anybody's key
      expect(reused.status).toBe(isKept ? 422 : 201);
      const unreadable = await send(body, "a b");
      expect(unreadable.status).toBe(400);
      for (const answer of [first, again, reused, unreadable]) holdAgainst(operation, answer);
    },
  );

  it("fits what signing in and refreshing answer", async () => {
    const { username, password, refreshToken } = await administrator(app);
    for (const [id, body] of [
      ["users.login", { username, password }],
      ["auth.refresh", { refresh_token: refreshToken }],
    ] as const) {
      const operation = actions.find((one) => one.id === id)!;
      const answer = await call(operation, undefined, { body });
      expect(answer.status).toBe(200);
      holdAgainst(operation, answer);
    }
  });

  it.each(["posts.create", "posts.update", "posts.remove", "users.get", "users.setRoles"])(
    "says what makes %s succeed",
    async (id) => {
      const { status } = await calledWell(actions.find((one) => one.id === id)!);
      expect(status).toBeLessThan(300);
    },
  );
});
