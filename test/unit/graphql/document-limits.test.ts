import { getIntrospectionQuery, parse } from "graphql";
import { describe, expect, it } from "vitest";
import { contract } from "../../../services/api/api.contract.ts";
import { documentRefusals } from "../../../services/api/graphql/document-limits.ts";
import { schema } from "../../helpers/graphql.ts";

const { graphqlAliases, graphqlDepth, graphqlFields, graphqlRootFields } = contract.limits;

const refusalsOf = (text: string) =>
  documentRefusals(schema, parse(text)).map(({ message }) => message);

const refused = (what: string) => [expect.stringContaining(`The operation has more than ${what}`)];

const times = (count: number, text: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => text(at)).join(" ");

describe("The limits of a document", () => {
  it("allow usual operations, and the introspection of tools", () => {
    expect(
      refusalsOf("{ postsList { items { id title author { username } } nextCursor } }"),
    ).toEqual([]);
    expect(refusalsOf(getIntrospectionQuery())).toEqual([]);
  });

  it("count levels of fields, through fragments", () => {
    const nested = (depth: number): string => (depth === 1 ? "a" : `a { ${nested(depth - 1)} }`);
    const { max } = graphqlDepth;
    expect(refusalsOf(`{ ${nested(max)} }`)).toEqual([]);
    expect(refusalsOf(`{ ${nested(max + 1)} }`)).toEqual(refused(`${max} levels`));
    const spread = `query { a { ... on X { ...F } } } fragment F on Y { ${nested(max)} }`;
    expect(refusalsOf(spread)).toEqual(refused(`${max} levels`));
  });

  it("count fields of Query and Mutation, with those of fragments and repetitions", () => {
    const { max } = graphqlRootFields;
    expect(refusalsOf(`{ ${times(max, () => "authLogout")} }`)).toEqual([]);
    expect(refusalsOf(`{ ${times(max + 1, () => "authLogout")} }`)).toEqual(
      refused(`${max} fields of Query or Mutation`),
    );
    const half = Math.ceil((max + 1) / 2);
    expect(
      refusalsOf(`{ ...F ... { ...F } } fragment F on Query { ${times(half, (at) => `a${at}`)} }`),
    ).toEqual(refused(`${max} fields of Query or Mutation`));
  });

  it("count aliases", () => {
    const { max } = graphqlAliases;
    const aliases = (count: number) =>
      `{ postsGet(id: "") { ${times(count, (at) => `a${at}: id`)} } }`;
    expect(refusalsOf(aliases(max))).toEqual([]);
    expect(refusalsOf(aliases(max + 1))).toEqual(refused(`${max} aliases`));
  });

  it("count the fields of a list as often as its limit says", () => {
    const { max } = graphqlFields;
    const fields = (count: number) => times(count, () => "id");
    const list = (limit: string, count: number) =>
      `query Q($n: Int!) { postsList${limit} { items { ${fields(count)} } } }`;
    // one less, since the list and its items count, too
    expect(refusalsOf(list("(limit: 100)", max / 100 - 1))).toEqual([]);
    expect(refusalsOf(list("(limit: 100)", max / 100))).toEqual(refused("5000 fields"));
    expect(refusalsOf(list("(limit: 10)", max / 100))).toEqual([]);
    // by default it has 20 items
    expect(refusalsOf(list("", max / 20))).toEqual(refused("5000 fields"));
    expect(refusalsOf(list("", max / 100))).toEqual([]);
    // a variable may be the highest value
    expect(refusalsOf(list("(limit: $n)", max / 100))).toEqual(refused("5000 fields"));
    expect(refusalsOf(list("(limit: -5)", max / 20))).toEqual([]);
  });

  it("are checked in no time for fragments that multiply", () => {
    const levels = 60;
    const fragments = times(
      levels,
      (at) => `fragment F${at} on Query { ...F${at + 1} ...F${at + 1} }`,
    );
    const text = `{ ...F0 } ${fragments} fragment F${levels} on Query { authJwks { __typename } }`;
    const document = parse(text);
    const started = performance.now();
    expect(documentRefusals(schema, document).length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(100);
  });

  it("leave circular fragments to the rules of GraphQL", () => {
    expect(
      refusalsOf("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }"),
    ).toEqual([]);
  });
});
