import * as fc from "fast-check";
import type { Operation } from "./openapi.ts";

/** Generates valid, almost valid and hostile requests from the schemas of an OpenAPI document. */

export interface FuzzRequest {
  who: "nobody" | "user" | "admin";
  /** The path and the query, encoded. */
  url: string;
  headers: Record<string, string>;
  /** The encoded body; undefined for none. */
  body: string | Uint8Array<ArrayBuffer> | undefined;
}

/** Values as JSON texts, since some have no value in JavaScript. */
type JsonText = string;

const LONG = "x".repeat(60_000);

const HOSTILE_TEXTS = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "\udc00x",
  "\u202e",
  "\ufeff",
  "😀".repeat(300),
  "e\u0301".repeat(100),
  "ﬃİ",
  LONG,
  "__proto__",
  "constructor",
  "toString",
  "' or 1=1 --",
  "%00%ff",
  "../../etc/passwd",
  "{{7*7}}${7*7}",
  "2026-02-30T25:61:61Z",
  "NaN",
  "0x10",
  "1e309",
];

const HOSTILE_JSON: JsonText[] = [
  ...HOSTILE_TEXTS.map((one) => JSON.stringify(one)),
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-1",
  "1.5",
  "1e999",
  "-1e999",
  "2147483648",
  "9007199254740993",
  "123456789012345678901234567890",
  "[]",
  "{}",
  "[[]]",
  "[null]",
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"toString":1,"valueOf":2,"hasOwnProperty":3}',
  '{"$gt":""}',
  '{"length":-1}',
  `${"[".repeat(30)}${"]".repeat(30)}`,
  `[${"0,".repeat(12_000)}0]`,
];

const hostile: fc.Arbitrary<JsonText> = fc.oneof(
  fc.constantFrom(...HOSTILE_JSON),
  fc.string({ unit: "binary", maxLength: 300 }).map((one) => JSON.stringify(one)),
  fc.json({ maxDepth: 3 }),
);

/** Mostly valid values, so that requests pass the first checks. */
const mostly = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<T>, weight = 8): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: good }, { weight: 1, arbitrary: bad });

/** Values that match a schema, and values just beyond its bounds. */
function valid(schema: any, ids: readonly string[]): fc.Arbitrary<JsonText> {
  if (schema.enum)
    return fc.constantFrom(...(schema.enum as unknown[]).map((one) => JSON.stringify(one)));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  const { minimum = -10, maximum = 2 ** 31 } = schema;
  switch (type) {
    case "object":
      return objectOf(schema, ids, 9);
    case "array":
      return fc
        .array(valid(schema.items ?? {}, ids), {
          minLength: schema.minItems ?? 0,
          maxLength: Math.min(schema.maxItems ?? 5, 5),
        })
        .map((items) => `[${items.join(",")}]`);
    case "integer":
    case "number":
      return fc
        .oneof(
          fc.constantFrom(minimum - 1, minimum, maximum, maximum + 1),
          fc.integer({ min: minimum, max: maximum }),
        )
        .map(String);
    case "boolean":
      return fc.boolean().map(String);
    case "string":
      return text(schema, ids).map((one) => JSON.stringify(one));
    default:
      return fc.json({ maxDepth: 2 });
  }
}

function text(schema: any, ids: readonly string[]): fc.Arbitrary<string> {
  const { minLength = 0, maxLength = 400, format, pattern } = schema;
  if (format === "uuid") return fc.oneof(fc.constantFrom(...ids), fc.uuid());
  if (format === "email") return fc.emailAddress();
  if (format === "uri") return fc.webUrl();
  const anyText = fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, 400) });
  const edges = fc
    .constantFrom(minLength - 1, minLength, maxLength, maxLength + 1)
    .map((length) => "a".repeat(Math.max(0, length)));
  const ofPattern = matching(pattern);
  return fc.oneof(
    ...(ofPattern ? [ofPattern] : [anyText]),
    anyText,
    edges,
    fc.constantFrom("lobby", ...ids),
  );
}

/** Values that match a pattern, if fast-check supports it. */
function matching(pattern: string | undefined): fc.Arbitrary<string> | undefined {
  if (pattern === undefined || pattern.includes("(?")) return undefined;
  return fc.stringMatching(new RegExp(pattern));
}

/** @param present how often a field is present for each time that it is missing */
function objectOf(schema: any, ids: readonly string[], present: number): fc.Arbitrary<JsonText> {
  const fields = Object.entries<any>(schema.properties ?? {}).map(([name, field]) => {
    const value = mostly(valid(field, ids), hostile);
    const isLeftOut = mostly(fc.constant(false), fc.constant(true), present);
    const entry = fc.tuple(isLeftOut, value);
    return entry.map(([isOut, one]) => (isOut ? "" : `${JSON.stringify(name)}:${one}`));
  });
  const extra = fc.tuple(
    fc.constantFrom("titel", "__proto__", "constructor", "", "id", "a b", "$where"),
    hostile,
  );
  const none = fc.constant("");
  const extraField = mostly(
    none,
    extra.map(([name, one]) => `${JSON.stringify(name)}:${one}`),
    6,
  );
  return fc
    .tuple(...fields, extraField)
    .map((entries) => `{${entries.filter((entry) => entry !== "").join(",")}}`);
}

const BROKEN_BODIES = [
  "",
  "{",
  "nonsense",
  "[]",
  "null",
  '"text"',
  '{"a":1,"a":2}',
  '\ufeff{"title":"Hi"}',
  '{"__proto__":{"x":1}}',
  "[".repeat(50_000),
  `{"a":"${"x".repeat(110_000)}"}`,
  "a=1&a=2&__proto__[x]=1&%ff=%00",
];

/** A JSON body, or a malformed one. */
const bodyOf = (schema: any, ids: readonly string[]): fc.Arbitrary<FuzzRequest["body"]> =>
  mostly<FuzzRequest["body"]>(
    objectOf(schema, ids, 20),
    fc.oneof(
      fc.constantFrom<FuzzRequest["body"]>(undefined, ...BROKEN_BODIES),
      fc.uint8Array({ minLength: 1, maxLength: 50 }),
      hostile,
    ),
  );

/** A JSON object as a form. */
function toForm(json: JsonText): string {
  try {
    const entries = Object.entries(JSON.parse(json) as object);
    return new URLSearchParams(
      entries.map(([name, one]): [string, string] => [name, String(one)]),
    ).toString();
  } catch {
    return json;
  }
}

/** Raw parts of URLs that are special to a parser. */
const HOSTILE_PARTS = [
  "%00",
  "%ff",
  "%ED%A0%80",
  "%",
  "%2e%2e%2f",
  "%2F",
  "a%0d%0ab",
  "__proto__",
  "%F0%9F%98%80",
  "-",
  "0",
  "null",
  "x".repeat(3_000),
];

const encode = (json: JsonText): string => {
  const value: unknown = JSON.parse(json);
  return encodeURIComponent((typeof value === "string" ? value : json).toWellFormed()).slice(
    0,
    4_000,
  );
};

const part = (schema: any, ids: readonly string[]) =>
  mostly(
    valid(schema, ids).map(encode),
    fc.oneof(fc.constantFrom(...HOSTILE_PARTS), hostile.map(encode)),
    10,
  );

const GARBAGE = [
  "*",
  '"1"',
  "1",
  '"x',
  'W/"1"',
  '"1", "2"',
  "",
  "\xff",
  "a".repeat(5_000),
  '"0"',
  '"999999999999"',
  "null",
  "a b",
  "é",
];

const HEADER_NAMES = [
  "if-match",
  "if-none-match",
  "idempotency-key",
  "x-request-id",
  "accept-encoding",
  "accept",
  "range",
  "origin",
  "x-forwarded-for",
  "x-http-method-override",
  "cookie",
  "prefer",
  "content-language",
  "if-modified-since",
];

const TYPES = [
  "text/plain",
  "application/xml",
  "application/json; charset=utf-16",
  "application/json; charset=latin1",
  "APPLICATION/JSON",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  'application/json;q="',
  "a",
];

const ENCODINGS = ["gzip", "br", "deflate", "identity", "nonsense"];

const AUTHORIZATIONS = [
  "Bearer",
  "Bearer x",
  "Bearer a.b.c",
  "Basic eDp5",
  "Basic %%%",
  "Bearer eyJhbGciOiJub25lIn0.e30.",
  "bearer \xff",
  `Bearer ${"x".repeat(9_000)}`,
];

const extraHeaders: fc.Arbitrary<Record<string, string>> = mostly(
  fc.constant({}),
  fc.oneof(
    fc.dictionary(fc.constantFrom(...HEADER_NAMES), fc.constantFrom(...GARBAGE), { maxKeys: 3 }),
    fc.constantFrom(...AUTHORIZATIONS).map((authorization) => ({ authorization })),
  ),
  3,
);

/** Generates requests for an operation. @param ids ids of existing resources */
export function requestsFor(
  { method, path, described }: Operation,
  ids: readonly string[],
): fc.Arbitrary<FuzzRequest> {
  const parameters: any[] = described.parameters ?? [];
  const ofPlace = (place: string) => parameters.filter((one) => one.in === place);
  const inPath = ofPlace("path").map(({ name, schema }) =>
    part(schema, ids)
      // clients resolve these, so that the request would be for another operation
      .filter((one) => !["", ".", ".."].includes(one))
      .map((one) => [name, one] as const),
  );
  const inQuery = [
    ...ofPlace("query").map(({ name, schema, required }) =>
      fc.option(
        part(schema, ids).map((one) => `${name}=${one}`),
        { nil: "", freq: required ? 20 : 1 },
      ),
    ),
    mostly(
      fc.constant(""),
      fc.constantFrom(
        "x=1",
        "limit[]=1",
        "__proto__[a]=1",
        "id=1&id=2",
        "&&==",
        "%ff",
        "cursor=AAAA",
        "cursor=%00",
        "a[b][c][d][e][f][g]=1",
      ),
      8,
    ),
  ];
  const [[type, content] = ["", undefined]] = Object.entries<any>(
    described.requestBody?.content ?? {},
  );
  const isForm = type.includes("form");
  const body: fc.Arbitrary<FuzzRequest["body"]> = content
    ? bodyOf(content.schema, ids).map((one) =>
        isForm && typeof one === "string" ? toForm(one) : one,
      )
    : method === "GET"
      ? fc.constant(undefined)
      : mostly<FuzzRequest["body"]>(fc.constant(undefined), fc.constantFrom(...BROKEN_BODIES));
  const contentType = mostly(
    fc.constant(type || "application/json"),
    fc.constantFrom(...TYPES),
    12,
  );
  const encoding = mostly(fc.constant(""), fc.constantFrom(...ENCODINGS), 20);

  return fc
    .record({
      who: fc.constantFrom("nobody" as const, "user" as const, "admin" as const, "admin" as const),
      inPath: fc.tuple(...inPath),
      inQuery: fc.tuple(...inQuery),
      headers: extraHeaders,
      body,
      contentType,
      encoding,
    })
    .map((parts) => {
      const values = new Map(parts.inPath);
      const query = parts.inQuery.filter((one) => one !== "").join("&");
      return {
        who: parts.who,
        url:
          path.replace(/\{(\w+)\}/g, (_, name) => values.get(name) ?? "") + (query && `?${query}`),
        headers: {
          ...parts.headers,
          ...(parts.body !== undefined && { "content-type": parts.contentType }),
          ...(parts.body !== undefined && parts.encoding && { "content-encoding": parts.encoding }),
        },
        body: parts.body,
      };
    });
}
