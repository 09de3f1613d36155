import { request as rawRequest } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { configOf, setConfig } from "../../lib/context/attachment.ts";
import { contract } from "../../services/api/api.contract.ts";
import type { Gateways } from "../../services/api/gateways.ts";
import UsersService from "../../services/users/users.service.ts";
import { PostsRepository } from "../../services/posts/posts.repository.ts";
import PostsService from "../../services/posts/posts.service.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { graphql } from "../helpers/graphql.ts";
import { PASSWORD, request } from "../helpers/http.ts";
import { watchRuns } from "../helpers/runs.ts";
import { tokenFor } from "../helpers/tokens.ts";

const { limits } = contract;

const times = (count: number, field: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => field(at)).join(" ");

describe.skipIf(isMissing)("Over GraphQL", () => {
  const runs = watchRuns();
  const app = application({}, { broker: runs.broker });
  let alice: User;

  beforeAll(async () => {
    alice = await app.register("alice");
  });
  afterEach(() => vi.restoreAllMocks());

  /** The number of handlers of services that run while an operation is sent. */
  async function runsDuring(send: () => Promise<unknown>): Promise<number> {
    const all = () => ["posts.list", "posts.get", "posts.create", "users.profile", "users.login"];
    const count = () => all().reduce((sum, action) => sum + runs.of(action), 0);
    const before = count();
    await send();
    return count() - before;
  }

  const TOO_LARGE = ["PayloadTooLarge"];

  it.each([
    ["1,000 root fields", `{ ${times(1_000, (at) => `a${at}: postsList { nextCursor }`)} }`],
    ["11 root fields", `{ ${times(11, (at) => `a${at}: postsList { nextCursor }`)} }`],
    [
      "11 root fields in fragments",
      `{ ...F ...G } fragment F on Query { ${times(6, (at) => `f${at}: postsList { nextCursor }`)} } fragment G on Query { ${times(5, (at) => `g${at}: postsList { nextCursor }`)} }`,
    ],
    ["fields 9 levels deep", `{ ${"postsList { ".repeat(8)} nextCursor ${"}".repeat(9)}`],
    ["aliases", `{ postsList { ${times(21, (at) => `a${at}: nextCursor`)} } }`],
    [
      "long lists",
      `{ ${times(10, (at) => `a${at}: postsList(limit: 100) { items { id authorId title createdAt updatedAt } }`)} }`,
    ],
    ["many tokens", `{ postsList { ${"nextCursor ".repeat(limits.graphqlTokens.max)} } }`],
    ["many directives", `{ postsList ${"@include(if: true) ".repeat(300)} { nextCursor } }`],
    [
      "fragments that multiply",
      `{ ...F0 } ${times(50, (at) => `fragment F${at} on Query { ...F${at + 1} ...F${at + 1} }`)} fragment F50 on Query { postsList { nextCursor } }`,
    ],
  ])("%s are refused before a handler runs", async (_what, query) => {
    let types: string[] = [];
    expect(
      await runsDuring(async () => {
        ({ types } = await graphql(app, query));
      }),
    ).toBe(0);
    expect(new Set(types)).toEqual(new Set(TOO_LARGE));
  });

  it("circular fragments are refused", async () => {
    const query =
      "{ ...F } fragment F on Query { postsList { nextCursor } ...G } fragment G on Query { ...F }";
    let types: string[] = [];
    expect(await runsDuring(async () => ({ types } = await graphql(app, query)))).toBe(0);
    expect(types).toEqual(["BadRequest"]);
  });

  it("documents that are slow to validate are refused in no time", async () => {
    const { max } = limits.graphqlTokens;
    const slow = [
      `{ ${"postsList { nextCursor } ".repeat(10)} }`,
      `{ postsList { ${"nextCursor ".repeat(max - 10)} } }`,
      `{ postsList { items { ${"author { id } ".repeat(100)} } } }`,
      `{ postsList { items { ${times(max / 10, () => "... on PostSummary { id }")} } } }`,
    ];
    await graphql(app, "{ postsList { nextCursor } }");
    for (const query of slow) {
      const started = performance.now();
      await graphql(app, query);
      expect(performance.now() - started).toBeLessThan(2_000);
    }
  });

  it("a large body, deep variables and many values are refused as over HTTP", async () => {
    const query = "query ($id: ID!) { postsGet(id: $id) { id } }";
    const variables = [
      { id: "x".repeat(limits.bodyBytes.max) },
      { id: JSON.parse(`${"[".repeat(30)}${"]".repeat(30)}`) },
      { id: Array.from({ length: limits.jsonValues.max }, () => 1) },
    ];
    for (const one of variables)
      expect(await graphql(app, query, { variables: one })).toMatchObject({
        status: 413,
        body: { type: "PayloadTooLarge" },
      });
  });

  it.each([
    ["a list of operations", [{ query: "{ postsList { nextCursor } }" }]],
    ["an empty list", []],
    ["nothing", undefined],
    ["a text", '"{ postsList }"'],
    ["no query", {}],
    ["a query that is no text", { query: ["{ postsList { nextCursor } }"] }],
    ["variables in a list", { query: "{ postsList { nextCursor } }", variables: [1] }],
    ["variables in a text", { query: "{ postsList { nextCursor } }", variables: "{}" }],
    ["a name that is no text", { query: "{ postsList { nextCursor } }", operationName: {} }],
    [
      "__proto__ in the variables",
      '{"query":"{ postsList { nextCursor } }","variables":{"__proto__":{"id":1}}}',
    ],
  ])("%s is refused", async (_what, body) => {
    let response: any;
    expect(
      await runsDuring(async () => {
        response = await request(app, "POST /graphql", { body });
      }),
    ).toBe(0);
    expect(response).toMatchObject({ status: 400, body: { type: "BadRequest" } });
    expect(response.body).not.toHaveProperty("data");
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/graphql",
    "application/json-x",
    "",
  ])("the content type %j, which a page of another origin may send, is refused", async (type) => {
    let response: any;
    const headers = { "content-type": type };
    const body = JSON.stringify({
      query: 'mutation { postsCreate(title: "x", body: "x") { id } }',
    });
    const count = await runsDuring(async () => {
      response = await request(app, "POST /graphql", { token: alice.token, headers, body });
    });
    expect(count).toBe(0);
    expect(response).toMatchObject({ status: 415, body: { type: "UnsupportedMediaType" } });
  });

  it("an operation in the query string is refused", async () => {
    const query = encodeURIComponent('mutation { postsCreate(title: "x", body: "x") { id } }');
    let response: any;
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const count = await runsDuring(async () => {
        response = await request(app, `${method} /graphql?query=${query}`, { token: alice.token });
      });
      expect(count).toBe(0);
      // GET is the page
      expect(response.headers.get("content-type")).not.toContain("graphql");
      expect(response.status).toBe(method === "GET" || method === "HEAD" ? 200 : 405);
    }
  });

  it("a page of another origin may neither send nor read", async () => {
    const headers = { origin: "https://evil.example" };
    const preflight = await request(app, "OPTIONS /graphql", {
      headers: { ...headers, "access-control-request-method": "POST" },
    });
    const simple = await graphql(app, "{ postsList { nextCursor } }", { headers });
    for (const response of [preflight, simple])
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("a token counts in the Authorization header only", async () => {
    const query = "{ usersProfile { id } }";
    const inQuery = await request(app, `POST /graphql?access_token=${alice.token}`, {
      body: { query },
    });
    expect(inQuery.body.errors[0].extensions.type).toBe("AccessTokenRequired");
    const inVariables = await graphql(app, query, {
      variables: { token: alice.token, authorization: `Bearer ${alice.token}` },
    });
    expect(inVariables.types).toEqual(["AccessTokenRequired"]);
    expect(runs.of("users.profile")).toBe(0);
  });

  it("several tokens are refused", async () => {
    const both = await request(app, `POST /graphql?access_token=${alice.token}`, {
      token: alice.token,
      body: { query: "{ usersProfile { id } }" },
    });
    expect(both).toMatchObject({ status: 401, body: { type: "AccessTokenVerificationFailed" } });
    const { host } = new URL(app.url);
    const authorization = ["Authorization", `Bearer ${alice.token}`];
    const sent = rawRequest(`${app.url}/graphql`, {
      method: "POST",
      // as names and values by turns, Node sends a header twice
      headers: [
        "Host",
        host,
        "Content-Type",
        "application/json",
        ...authorization,
        ...authorization,
      ],
    });
    sent.end(JSON.stringify({ query: "{ usersProfile { id } }" }));
    const [response] = await once(sent, "response");
    expect(response.statusCode).toBe(401);
    expect(JSON.parse(await text(response)).type).toBe("AccessTokenVerificationFailed");
    expect(runs.of("users.profile")).toBe(0);
  });

  it.each([
    "{ __proto__ }",
    "{ constructor }",
    "{ toString }",
    "{ hasOwnProperty }",
    "{ postsList { __proto__ } }",
    "{ postsList { constructor { name } } }",
    "{ ... on __proto__ { id } }",
    "{ ...constructor }",
    "{ postsList(__proto__: 1) { nextCursor } }",
    "{ postsList(constructor: 1) { nextCursor } }",
    "{ postsList @__proto__ { nextCursor } }",
    "query ($a: __proto__) { postsList { nextCursor } }",
    "subscription { postsList { nextCursor } }",
  ])("%s is refused as an unknown name", async (query) => {
    let types: string[] = [];
    expect(await runsDuring(async () => ({ types } = await graphql(app, query)))).toBe(0);
    expect(new Set(types)).toEqual(new Set(["BadRequest"]));
  });

  it("__proto__ in an object of a document is refused", async () => {
    for (const query of [
      '{ postsGet(id: { __proto__: { id: "x" } }) { id } }',
      "query ($id: ID = { a: [{ __proto__: 1 }] }) { postsGet(id: $id) { id } }",
    ]) {
      const { body } = await graphql(app, query);
      expect(body).not.toHaveProperty("data");
      expect(JSON.stringify(body)).toContain("The key __proto__ is not allowed.");
    }
  });

  it("an operation named like a property of objects is refused", async () => {
    for (const operationName of ["__proto__", "constructor", "toString"]) {
      const { body } = await request(app, "POST /graphql", {
        body: { query: "query A { postsList { nextCursor } }", operationName },
      });
      expect(body.errors[0].extensions.type).toBe("BadRequest");
      expect(body.data).toBeUndefined();
    }
  });

  it("ten logins in one request are ten attempts at the password", async () => {
    const { username } = await app.register("guessed");
    const { passwords } = app.instance(UsersService);
    const matches = vi.spyOn(passwords, "matches");
    const guess = (at: number, password: string) =>
      `a${at}: usersLogin(username: "${username}", password: "${password}") { access_token }`;
    const ten = `mutation { ${times(10, (at) => guess(at, `wrong ${at}`))} }`;
    const first = await graphql(app, ten);
    expect(first.types).toEqual(Array.from({ length: 10 }, () => "InvalidCredentials"));
    expect(matches).toHaveBeenCalledTimes(10);
    const second = await graphql(app, `mutation { ${guess(0, PASSWORD)} }`);
    expect(second.types).toEqual(["TooManyRequests"]);
    const [{ extensions }] = second.body.errors;
    expect(extensions.retryAfter).toBe(extensions.data.retryAfter);
    expect(extensions.retryAfter).toBeGreaterThan(800);
    expect(matches).toHaveBeenCalledTimes(10);
  });

  it.each([
    ["a syntax error", '{ postsGet(id: "hush-hush" "hush" '],
    ["a value of another type", '{ postsList(limit: "hush-hush") { nextCursor } }'],
    [
      "a value that is no enum",
      'mutation { chatAddMember(id: "x", userId: "x", role: hush_hush) }',
    ],
    ["an unknown argument", '{ postsGet(id: "x", other: "hush-hush") { id } }'],
    ["an invalid parameter", '{ postsGet(id: "hush-hush") { id } }'],
    ["a number that is too large", "{ postsList(limit: 123456789012345) { nextCursor } }"],
  ])("the error of %s has none of the submitted values", async (_what, query) => {
    const { body, types } = await graphql(app, query);
    expect(["BadRequest", "VALIDATION_ERROR"]).toContain(types[0]);
    expect(JSON.stringify(body)).not.toMatch(/hush.hush|123456789012345/);
    expect(JSON.stringify(body)).not.toMatch(/stack|node_modules|\.ts:/);
  });

  it("the error of a variable has none of the submitted values", async () => {
    const query =
      "mutation ($id: ID!, $type: UsersSetSubjectTypeSubjectType!) { usersSetSubjectType(id: $id, subjectType: $type) { id } }";
    for (const type of [["hush-hush"], "hush-hush", { a: "hush-hush" }, 1234567]) {
      const { body, types } = await graphql(app, query, { variables: { id: "x", type } });
      expect(new Set(types)).toEqual(new Set(["VALIDATION_ERROR"]));
      expect(body).not.toHaveProperty("data");
      expect(JSON.stringify(body)).not.toMatch(/hush-hush|1234567/);
    }
    const missing = await graphql(app, query, { variables: { id: "x" } });
    expect(missing.types).toEqual(["VALIDATION_ERROR"]);
    expect(missing.body.errors[0].message).toBe(
      'The variable "$type" does not have the type "UsersSetSubjectTypeSubjectType!".',
    );
  });

  it("a failure of the program shows nothing of its cause", async () => {
    const { posts } = app.instance(PostsService);
    vi.spyOn(posts, "list").mockRejectedValue(new Error("select secret from posts"));
    const { body } = await graphql(app, "{ postsList { nextCursor } }");
    const [{ message, extensions }] = body.errors;
    expect(message).toMatch(/^Something went wrong here/);
    expect(extensions).toEqual({ code: 500, type: "InternalError", name: "InternalError" });
    expect(JSON.stringify(body)).not.toMatch(/select|secret|stack|\.ts/);
  });

  it("a result that breaks its contract shows nothing of it, and is logged", async () => {
    const posts = app.instance(PostsService);
    const logged = vi.spyOn(app.service("api").logger, "error");
    vi.spyOn(posts.posts, "list").mockResolvedValue({ items: null, nextCursor: null } as never);
    const { types, body } = await graphql(app, "{ postsList { items { id } } }");
    expect(types).toEqual(["InternalError"]);
    expect(JSON.stringify(body)).not.toContain("PostSummaryPage");
    expect(logged).toHaveBeenCalledTimes(1);
  });

  it("a client that has disconnected starts no further calls", async () => {
    const client = new AbortController();
    const { promise, resolve } = Promise.withResolvers<never>();
    const { server } = app.service("api") as unknown as Gateways;
    server.once("request", (_req, res) => res.once("close", resolve as () => void));
    const insert = vi.spyOn(PostsRepository.prototype, "insert").mockImplementation(() => {
      client.abort();
      return promise;
    });
    const create = 'postsCreate(title: "x", body: "x") { id }';
    const sent = fetch(`${app.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${alice.token}` },
      body: JSON.stringify({ query: `mutation { a: ${create} b: ${create} }` }),
      signal: client.signal,
    });
    await expect(sent).rejects.toThrow(/aborted/);
    await promise;
    // a later operation has run, so the second field would have, too
    await graphql(app, "{ postsList { nextCursor } }");
    expect(insert).toHaveBeenCalledTimes(1);
  });
});

describe.skipIf(isMissing)("The rate limits over GraphQL", () => {
  const runs = watchRuns();
  const app = application(
    { RATE_LIMIT_PUBLIC: "6/60", RATE_LIMIT_USER: "5/60" },
    { broker: runs.broker },
  );

  it("count each public write of an address", async () => {
    // one point is left after these
    for (let count = 0; count < 5; count++) await app.refusal("POST /api/auth/login", { body: {} });
    const login = 'usersLogin(username: "x", password: "x") { access_token }';
    const before = runs.of("users.login");
    const { types, body } = await graphql(
      app,
      `mutation { ${times(3, (at) => `a${at}: ${login}`)} }`,
    );
    expect(types).toEqual(["InvalidCredentials", "TooManyRequests", "TooManyRequests"]);
    expect(body.errors[1].extensions.retryAfter).toBeGreaterThan(50);
    expect(runs.of("users.login")).toBe(before + 1);
  });

  it("count each call of a user", async () => {
    const token = tokenFor(app, {});
    const before = runs.of("chat.blocks");
    const { types } = await graphql(
      app,
      `{ ${times(8, (at) => `a${at}: chatBlocks { nextCursor }`)} }`,
      { token },
    );
    expect(types).toEqual(["TooManyRequests", "TooManyRequests", "TooManyRequests"]);
    expect(runs.of("chat.blocks")).toBe(before + 5);
  });
});

describe.skipIf(isMissing)("The rate limit of an address over GraphQL", () => {
  const runs = watchRuns();
  const app = application({ RATE_LIMIT_ADDRESS: "55/600" }, { broker: runs.broker });

  it("counts each call of an operation, so that no operation calls more often than requests could", async () => {
    const ten = `{ ${times(10, (at) => `a${at}: postsList { nextCursor }`)} }`;
    const types: string[] = [];
    for (let count = 0; count < 6; count++) types.push(...(await graphql(app, ten)).types);
    expect(types).toEqual(Array.from({ length: 5 }, () => "TooManyRequests"));
    expect(runs.of("posts.list")).toBe(55);
    expect((await graphql(app, ten)).status).toBe(429);
  });
});

describe.skipIf(isMissing)("Over GraphQL, in production", () => {
  const app = application(
    {},
    {
      broker: (own) => ({
        created(broker) {
          own.created?.(broker);
          setConfig(broker, { ...configOf(broker), production: true });
        },
      }),
    },
  );

  it.each([
    "{ __schema { queryType { name } } }",
    '{ __type(name: "User") { fields { name } } }',
    "{ ... on Query { __schema { types { name } } } }",
    "{ s: __schema { types { name } } postsList { nextCursor } }",
    "{ ...F } fragment F on Query { __schema { types { name } } }",
  ])("the schema cannot be read: %s", async (query) => {
    const { types, body } = await graphql(app, query);
    expect(new Set(types)).toEqual(new Set(["BadRequest"]));
    expect(body).not.toHaveProperty("data");
  });

  it("a misspelt name gets no suggestion", async () => {
    for (const query of [
      "{ postList { nextCursor } }",
      "{ postsList(limt: 1) { nextCursor } }",
      "{ postsList { item { id } } }",
      "{ ... on Pots { id } }",
      'mutation { chatAddMember(id: "x", userId: "x", role: onwer) }',
      "query ($n: Itn) { postsList(limit: $n) { nextCursor } }",
    ]) {
      const { types, body } = await graphql(app, query);
      expect(types.length).toBeGreaterThan(0);
      expect(JSON.stringify(body)).not.toMatch(/did you mean/i);
    }
  });

  it("there is no page", async () => {
    const { status, body } = await request(app, "GET /graphql");
    expect(status).toBe(405);
    expect(body.type).toBe("MethodNotAllowed");
  });

  it("__typename still works, as clients use it", async () => {
    const { body } = await graphql(app, "{ postsList { __typename } }");
    expect(body).toEqual({ data: { postsList: { __typename: "PostSummaryPage" } } });
  });
});
