import { randomBytes, randomUUID } from "node:crypto";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { loadContracts, loadExamples } from "../../lib/contract/load.ts";
import { toOpenApi } from "../../lib/openapi/openapi.ts";
import type { App } from "./app.ts";
import { callFrom } from "./call.ts";
import { administrator, type HttpResponse, request } from "./http.ts";

export interface Operation {
  id: string;
  method: string;
  path: string;
  described: any;
}

export const operationsOf = (paths: Record<string, Record<string, any>>): Operation[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, described]) => ({
      id: described.operationId,
      method: method.toUpperCase(),
      path,
      described,
    })),
  );

/** The operations of the contracts. */
export const actions = operationsOf(
  toOpenApi(loadContracts(), {
    version: "0",
    issuer: "http://localhost",
    examples: loadExamples(),
  }).paths,
);

/** A value that matches a schema without an example. */
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

/** The parameters of a valid request: the examples, or values that match the schema. */
export const paramsOf = ({ described }: Operation) => {
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
  // names are unique, and other tests use the example
  for (const name of ["username", "name"])
    if (typeof body?.[name] === "string") body[name] = `x${randomBytes(5).toString("hex")}`;
  if (body?.email) body.email = `${randomBytes(5).toString("hex")}@example.com`;
  return { type, body, inPath: Object.fromEntries(inPath), inQuery: Object.fromEntries(inQuery) };
};

type Changes = Partial<ReturnType<typeof paramsOf>> & { headers?: Record<string, string> };

/** Calls the operations of an application and compares responses with its OpenAPI document. */
export async function describedApi(app: App) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  (addFormats as any)(ajv);
  const document = (await request(app, "GET /openapi.json")).body;
  ajv.addSchema(document, "openapi");
  const adminId = (await administrator(app)).id;

  /** An access token of a new session, since some operations end their session. */
  const signIn = async (userId = adminId): Promise<string> =>
    (await callFrom(app, "users", "auth.generateToken", { userId })).access_token;

  /** The schema of a response, with the components that it refers to. */
  const validatorOf = ({ path, method }: Operation, status: number, type: string) => {
    const escape = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");
    const steps = ["paths", path, method.toLowerCase(), "responses", status, "content", type];
    const pointer = [...steps, "schema"].map((step) => encodeURIComponent(escape(String(step))));
    return ajv.getSchema(`openapi#/${pointer.join("/")}`);
  };

  const faultOfHeader = ({ $ref, ...inline }: any, value: string | null): string | undefined => {
    const { required, schema } = $ref
      ? document.components.headers[$ref.split("/").at(-1)]
      : inline;
    if (value === null) return required ? "missing" : undefined;
    const validate = ajv.compile(schema);
    const read = schema.type === "integer" ? Number(value) : value;
    return validate(read) ? undefined : ajv.errorsText(validate.errors);
  };

  /** How a response differs from the document; undefined if it does not. */
  const faultOf = (
    operation: Operation,
    { status, body, headers }: HttpResponse,
  ): string | undefined => {
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

  /**
   * The id of something that is there: made by the operation of the path before it, or from its list.
   * Where neither is, the example's.
   */
  const idsFor = async (operation: Operation, token: string): Promise<Record<string, string>> => {
    const { inPath } = paramsOf(operation);
    const collection = /^(.+)\/\{(\w+)\}(\/|$)/.exec(operation.path);
    if (!collection) return inPath;
    const [, path, name = ""] = collection;
    const among = operationsOf(document.paths).filter((one) => one.path === path);
    for (const method of ["POST", "GET"]) {
      const maker = among.find((one) => one.method === method);
      const { body, status } = maker ? await call(maker, token) : { body: {}, status: 404 };
      // a refusal has a name as well
      const id = (status < 300 && body[name]) || body.id || body.items?.[0]?.id;
      if (id) return { ...inPath, [name]: id };
    }
    return inPath;
  };

  const calledWell = async (operation: Operation) => {
    const token = await signIn();
    const inPath = await idsFor(operation, token);
    return call(operation, token, { inPath });
  };

  return { document, signIn, faultOf, call, idsFor, calledWell };
}

export type DescribedApi = Awaited<ReturnType<typeof describedApi>>;
