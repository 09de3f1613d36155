import type { Access } from "../contract/declarations/access.ts";
import type { ActionContract, Method } from "../contract/declarations/action.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import type { ServiceContract } from "../contract/contract.ts";
import type { Example, ServiceExamples } from "../contract/examples.ts";
import type { Route } from "../contract/load.ts";
import { limitText } from "../limits/document.ts";
import { errorResponses, errorsOf, type KnownErrors } from "./errors.ts";
import { headerParametersOf, headersOf, isConditional, isTagged, NOT_MODIFIED } from "./headers.ts";
import { type JsonSchema, schemaOfParams, schemaOfResult } from "./json-schema.ts";

/** One operation of the OpenAPI document: its parameters, request body, responses and access rules. */

/** Converts `/api/posts/:id` to `/api/posts/{id}`. */
export const toTemplate = (path: string) => path.replace(/:(\w+)/g, "{$1}");

/** The first sentence or clause of a description, without a final remark in brackets. */
export const toSummary = (description: string): string =>
  (description.split(/[.;:](?=\s|$)/, 1)[0] ?? "").replace(/ \([^)]*\)$/, "");

const SECURITY: Readonly<Record<ActionContract["auth"], object[]>> = {
  required: [{ bearerAuth: [] }],
  optional: [{ bearerAuth: [] }, {}],
  none: [],
  context: [{ bearerAuth: [] }, {}],
};

/** The example of a route's action. */
export function exampleOf(
  { action }: Route,
  examples: ReadonlyMap<string, ServiceExamples>,
): Example | undefined {
  const [service = "", name = ""] = action.split(".");
  return examples.get(service)?.[name];
}

/** Documents one route. */
export function operationOf(
  route: Route,
  { contracts, errors }: { contracts: ReadonlyMap<string, ServiceContract>; errors: KnownErrors },
  example: Example | undefined,
): object {
  const { action, contract } = route;
  const { description, auth, restricted, permissions, roles, subjects, oauth } = contract;
  const needed = namedPermissions(permissions);
  const { parameters, body } = requestOf(route, example?.params);
  const summary = toSummary(description);
  const lines = [description, ...accessLines(contract, contracts), ...limitLines(route, contracts)];
  return {
    operationId: action,
    tags: [action.split(".", 1)[0]],
    summary,
    description: lines.join("\n\n"),
    security: oauth === "token" ? [{ clientBasic: [] }, {}] : SECURITY[auth],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: {
      ...successResponse(contract, example?.result),
      ...(isConditional(contract) && NOT_MODIFIED),
      ...errorResponses(errorsOf(route, errors), oauth),
    },
    ...(needed.length > 0 && { "x-permissions": needed }),
    ...(roles && { "x-roles": roles }),
    ...(subjects && { "x-subjects": subjects }),
    "x-restricted": restricted,
  };
}

/** The subject types that may call, in words. */
export const subjectsLine = (subjects: readonly string[]): string =>
  `Only for the subject types ${subjects.map((subject) => `\`${subject}\``).join(", ")}.`;

/** The access rules in words. */
export function accessLines(
  { auth, permissions, roles, subjects }: Omit<Access, "restricted">,
  contracts: ReadonlyMap<string, ServiceContract>,
): string[] {
  if (auth === "none") return ["Requires no access token."];
  if (auth === "optional") return ["An access token is optional."];
  if (auth === "context")
    return ["An access token is optional, and one that is not valid does not fail the request."];
  const needed = namedPermissions(permissions).map((permission) => {
    const [service = "", name = ""] = permission.split(":");
    const { description = "" } = contracts.get(service)?.permissions?.[name] ?? {};
    return { name: `\`${permission}\``, description };
  });
  const [first, ...others] = needed;
  return [
    first === undefined
      ? "Requires a signed-in user."
      : others.length > 0
        ? `Requires one of the permissions ${needed.map(({ name }) => name).join(", ")}.`
        : `Requires the permission ${first.name}${first.description ? `: ${first.description}` : "."}`,
    ...(roles ? [`Requires the role ${roles.map((role) => `\`${role}\``).join(" or ")}.`] : []),
    ...(subjects ? [subjectsLine(subjects)] : []),
  ];
}

/** The limit of its calls in words. */
export function limitLines(
  { action, contract: { limit: name = "" } }: Route,
  contracts: ReadonlyMap<string, ServiceContract>,
): string[] {
  const [service = ""] = action.split(".");
  const limit = contracts.get(service)?.limits?.[name];
  return limit ? [`Limit: ${limitText(limit)} per ${limit.per}.`] : [];
}

/** The methods whose parameters are in the query string. */
const IN_QUERY: ReadonlySet<Method> = new Set(["GET", "DELETE"]);

/** Divides an action's parameters into path, query, headers and request body. */
function requestOf({ method, path, contract }: Route, example: Example["params"]) {
  const { properties = {}, required = [], ...schema } = schemaOfParams(contract.params);
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const others = Object.keys(properties).filter((name) => !inPath.includes(name));
  const parameter = (place: "path" | "query") => (name: string) => ({
    name,
    in: place,
    ...((place === "path" || required.includes(name)) && { required: true }),
    schema: properties[name] ?? { type: "string" },
    ...(example && Object.hasOwn(example, name) && { example: example[name] }),
  });
  const isInQuery = IN_QUERY.has(method);
  const parameters = [
    ...inPath.map(parameter("path")),
    ...(isInQuery ? others.map(parameter("query")) : []),
    ...headerParametersOf(contract),
  ];
  if (isInQuery || others.length === 0) return { parameters };

  const pick = <T>(from: Record<string, T>) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => others.includes(name)));
  const needed = required.filter((name) => others.includes(name));
  const body: JsonSchema = {
    ...schema,
    properties: pick(properties),
    ...(needed.length > 0 && { required: needed }),
  };
  return {
    parameters,
    body: {
      ...(needed.length > 0 && { required: true }),
      content: {
        [contract.form ? "application/x-www-form-urlencoded" : "application/json"]: {
          schema: body,
          ...(example && { example: pick(example) }),
        },
      },
    },
  };
}

const SUCCESS: Readonly<Record<number, string>> = {
  200: "The request succeeded.",
  201: "The resource was created.",
  202: "The request was accepted.",
  204: "The request succeeded. The response has no body.",
};

function successResponse(contract: ActionContract, example: unknown) {
  const { result, status, location } = contract;
  const code = status ?? (result === null ? 204 : 200);
  const headers = {
    ...(location && {
      Location: {
        description: `The URL of the new resource: \`${toTemplate(location)}\`.`,
        required: true,
        schema: { type: "string" },
      },
    }),
    ...(isTagged(contract) && headersOf(["ETag"])),
  };
  return {
    [code]: {
      description: SUCCESS[code],
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(result !== null && {
        content: {
          "application/json": {
            schema: schemaOfResult(result),
            ...(example !== undefined && { example }),
          },
        },
      }),
    },
  };
}
