import {
  buildSchema,
  type GraphQLField,
  isEnumType,
  isInputObjectType,
  isObjectType,
  validateSchema,
} from "graphql";
import { describe, expect, it } from "vitest";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { defineSchema } from "../../../services/api/graphql/schema/definition.ts";
import { definition, schema } from "../../helpers/graphql.ts";

const contractWith = (
  actions: Record<string, object>,
  name = "notes",
): Map<string, ServiceContract> => {
  const usual = { description: "", restricted: ["api"], auth: "none", params: {}, result: null };
  const all = Object.entries(actions).map(([action, one]) => [
    action,
    { ...usual, rest: `POST /api/notes/${action}`, ...one },
  ]);
  return new Map([[name, { name, actions: Object.fromEntries(all) } as ServiceContract]]);
};

const fieldsOf = (root: "Query" | "Mutation", of = schema) => {
  const type = of.getType(root);
  return isObjectType(type) ? type.getFields() : {};
};

const typed = (actions: Record<string, object>) => {
  const { text } = defineSchema(contractWith({ list: { rest: "GET /api/notes" }, ...actions }));
  return buildSchema(text);
};

const argumentsOf = ({ args }: GraphQLField<unknown, unknown>) =>
  Object.fromEntries(args.map((arg) => [arg.name, String(arg)]));

describe("The GraphQL schema", () => {
  it("is valid", () => {
    expect(validateSchema(schema)).toEqual([]);
  });

  it("has a field for each route but the token endpoint: GET in Query, all others in Mutation", () => {
    const routes = routesOf(loadContracts()).filter(({ action }) => action !== "auth.token");
    const count = (isQuery: boolean) =>
      routes.filter(({ method }) => (method === "GET") === isQuery).length;
    expect(Object.keys(fieldsOf("Query"))).toHaveLength(count(true));
    expect(Object.keys(fieldsOf("Mutation"))).toHaveLength(count(false));
    expect(fieldsOf("Query")).toHaveProperty("usersProfile");
    expect(fieldsOf("Mutation")).toHaveProperty("postsCreate");
    expect(definition.operations).toHaveLength(routes.length);
  });

  it("has no two types with the same fields: objects that are equal share a name", () => {
    const objects = Object.values(schema.getTypeMap()).filter(isObjectType);
    const texts = objects
      // each event has a type of its own, to which fields can be added
      .filter(({ name }) => !name.startsWith("__") && !name.endsWith("Event"))
      .map((type) =>
        Object.values(type.getFields())
          .map(({ name, type: of }) => `${name}: ${String(of)}`)
          .join("\n"),
      );
    expect(texts.filter((text, at) => texts.indexOf(text) !== at)).toEqual([]);
  });

  it("describes what a field does, who may call it, how often, and its errors", () => {
    const { description } = fieldsOf("Mutation").authImpersonate!;
    expect(description).toContain("Issues an access token");
    expect(description).toContain("Requires the permission `users:impersonate`: Act on behalf");
    expect(description).toContain("Limit: 30 in 1 min per user.");
    expect(description).toContain("UserNotAuthorized");
    expect(description).toContain("Over HTTP: `POST /api/auth/impersonate`.");
    expect(fieldsOf("Query").postsList!.description).toContain("Requires no access token.");
  });

  it("has no field for a closed action, and none without a declaration of who may call it", () => {
    const { operations } = defineSchema(
      contractWith({
        open: {},
        closed: { closed: true },
        undeclared: { auth: undefined },
        misspelt: { auth: "non" },
        internal: { restricted: ["posts"] },
        inside: { rest: undefined },
      }),
    );
    expect(operations.map(({ field }) => field)).toEqual(["notesOpen"]);
  });

  it("takes required, optional and nullable parameters and defaults as the rules say", () => {
    const of = typed({
      add: {
        params: {
          $$strict: true,
          id: "uuid",
          text: "string|optional",
          note: { type: "string", nullable: true },
          limit: { type: "number", integer: true, min: 1, max: 100, default: 20, convert: true },
          size: { type: "number", integer: true, max: 2 ** 40 },
          ratio: "number",
          isOpen: { type: "boolean", default: false },
          at: "date|optional",
          tags: { type: "array", items: "string", default: ["a"] },
          scores: { type: "array", items: { type: "number", nullable: true } },
          any: "any|optional",
          data: { type: "record", key: "string", value: "any", optional: true },
          kind: { type: "enum", values: ["long", "short"], default: "long" },
          mode: { type: "enum", values: ["a-b", "c"] },
          level: { type: "enum", values: [1, 2] },
          place: { type: "object", props: { city: "string", zip: "string|optional" } },
        },
      },
    });
    const types = Object.fromEntries(
      fieldsOf("Mutation", of).notesAdd!.args.map(({ name, type }) => [name, String(type)]),
    );
    expect(types).toEqual({
      id: "ID!",
      text: "String",
      note: "String",
      limit: "Int!",
      size: "Float!",
      ratio: "Float!",
      isOpen: "Boolean!",
      at: "DateTime",
      tags: "[String!]!",
      scores: "[Float]!",
      any: "JSON",
      data: "JSON",
      kind: "NotesAddKind!",
      mode: "String!",
      level: "Float!",
      place: "NotesAddPlaceInput!",
    });
    const kind = of.getType("NotesAddKind");
    expect(isEnumType(kind) && kind.getValues().map(({ name }) => name)).toEqual(["long", "short"]);
    const place = of.getType("NotesAddPlaceInput");
    expect(isInputObjectType(place) && String(place.getFields().zip!.type)).toBe("String");
    expect(validateSchema(of)).toEqual([]);
  });

  it("names the types of results after the object, or after the action and the field", () => {
    const of = typed({
      get: {
        result: {
          type: "object",
          props: {
            tag: { type: "object", name: "Tag", props: { text: "string" } },
            place: { type: "object", optional: true, props: { city: "string" } },
            kind: { type: "enum", values: ["a", "b"], nullable: true },
            empty: { type: "object", props: {} },
            "content-type": "string|optional",
          },
        },
      },
      all: {
        result: {
          type: "array",
          items: { type: "object", name: "Tag", props: { text: "string" } },
        },
      },
      none: {},
      named: {
        result: {
          type: "object",
          props: { place: { type: "object", props: { kind: { type: "enum", values: ["x"] } } } },
        },
      },
    });
    const results = fieldsOf("Mutation", of);
    // GraphQL has no names with '-'
    expect(String(results.notesGet!.type)).toBe("JSON");
    expect(String(results.notesAll!.type)).toBe("[Tag!]");
    expect(String(results.notesNone!.type)).toBe("Boolean");
    expect(String(results.notesNamed!.type)).toBe("NotesNamedResult");
    expect(of.getType("NotesNamedResultPlaceKind")).toBeDefined();
    expect(validateSchema(of)).toEqual([]);
  });

  it("has an argument for the idempotency key where the action is idempotent", () => {
    expect(argumentsOf(fieldsOf("Mutation").postsCreate!)).toHaveProperty("idempotencyKey");
    expect(argumentsOf(fieldsOf("Mutation").postsUpdate!)).not.toHaveProperty("idempotencyKey");
    const add = { idempotent: true, params: { idempotencyKey: "string" } };
    expect(() => defineSchema(contractWith({ add }))).toThrow(
      /notes\.add is idempotent, so GraphQL adds the argument 'idempotencyKey': rename the parameter/,
    );
  });

  it("does not give two types one name", () => {
    const tag = (field: string) => ({
      result: { type: "object", name: "Tag", props: { [field]: "string" } },
    });
    expect(() => defineSchema(contractWith({ a: tag("text"), b: tag("name") }))).toThrow(
      /Two different types of the GraphQL schema would have the name 'Tag'/,
    );
    expect(() => defineSchema(contractWith({ a: tag("text"), b: tag("text") }))).not.toThrow();
    const query = { result: { type: "object", name: "Query", props: { text: "string" } } };
    expect(() => defineSchema(contractWith({ a: query }))).toThrow(/would have the name 'Query'/);
    const contracts = new Map([
      ...contractWith({ "b-c": {} }, "a"),
      ...contractWith({ "c-b": { rest: "POST /api/x" } }, "x"),
      ...contractWith({ bC: { rest: "POST /api/y" } }, "A"),
    ]);
    expect(() => defineSchema(contracts)).toThrow(
      /The field 'aBC' of the GraphQL schema would call a\.b-c and A\.bC/,
    );
  });

  it("shows what an id refers to beside it", () => {
    expect(definition.references).toContainEqual({
      type: "Post",
      field: "author",
      from: "authorId",
      action: "users.names",
    });
    const post = schema.getType("Post");
    expect(isObjectType(post) && String(post.getFields().author!.type)).toBe("UserName");
  });
});
