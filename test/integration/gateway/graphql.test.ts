import { ClientError, gql, GraphQLClient } from "graphql-request";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { UsersRepository } from "../../../services/users/users.repository.ts";
import { type Application, application, type User } from "../../fixtures/application.ts";
import { isMissing } from "../../helpers/app.ts";
import { graphql } from "../../helpers/graphql.ts";
import { PASSWORD, request } from "../../helpers/http.ts";
import { watchRuns } from "../../helpers/runs.ts";

const clientOf = (app: Application, token?: string) =>
  new GraphQLClient(`${app.url}/graphql`, {
    ...(token && { headers: { authorization: `Bearer ${token}` } }),
  });

/** The first error of an operation that fails. */
async function errorOf(sent: Promise<unknown>): Promise<any> {
  const error = await sent.catch((one: unknown) => one);
  expect(error).toBeInstanceOf(ClientError);
  return (error as ClientError).response.errors?.[0];
}

const CREATE = gql`
  mutation Create($title: String!, $body: String!, $key: String) {
    postsCreate(title: $title, body: $body, idempotencyKey: $key) {
      id
      title
      version
    }
  }
`;

const HI = { title: "Hi", body: "There" };

describe.skipIf(isMissing)("POST /graphql", () => {
  const runs = watchRuns();
  const app = application({}, { broker: runs.broker });
  let alice: User;
  let admin: User;

  beforeAll(async () => {
    alice = await app.register("alice");
    admin = await app.administrator();
  });
  afterEach(() => vi.restoreAllMocks());

  it("answers the tour of the README: register, sign in, write and read posts, create a user", async () => {
    const username = "graphql-alice";
    const { usersRegister } = await clientOf(app).request(
      gql`
        mutation ($username: String!, $email: String!, $password: String!) {
          usersRegister(username: $username, email: $email, password: $password) {
            access_token
            token_type
            expires_in
            user {
              username
              roles
            }
          }
        }
      `,
      { username, email: `${username}@example.com`, password: PASSWORD },
    );
    expect(usersRegister).toMatchObject({
      token_type: "Bearer",
      expires_in: 600,
      user: { username, roles: ["user"] },
    });
    const { usersLogin } = await clientOf(app).request(
      gql`
        mutation ($username: String!, $password: String!) {
          usersLogin(username: $username, password: $password) {
            access_token
          }
        }
      `,
      { username, password: PASSWORD },
    );
    const client = clientOf(app, usersLogin.access_token);
    const { postsCreate } = await client.request(CREATE, HI);
    expect(postsCreate).toEqual({ id: expect.any(String), title: "Hi", version: 1 });

    const { postsList, postsGet } = await clientOf(app).request(
      gql`
        query ($id: ID!) {
          postsList(limit: 1) {
            items {
              id
              excerpt
            }
            nextCursor
          }
          postsGet(id: $id) {
            body
          }
        }
      `,
      { id: postsCreate.id },
    );
    expect(postsList.items).toEqual([{ id: postsCreate.id, excerpt: "There" }]);
    expect(postsGet).toEqual({ body: "There" });

    const CREATE_USER = gql`
      mutation ($username: String!, $email: String!, $password: String!) {
        usersCreate(username: $username, email: $email, password: $password) {
          id
          username
        }
      }
    `;
    const bob = { username: "graphql-bob", email: "graphql-bob@example.com", password: PASSWORD };
    expect(await errorOf(client.request(CREATE_USER, bob))).toMatchObject({
      message: "You lack the permission for this.",
      path: ["usersCreate"],
      extensions: {
        code: 403,
        type: "UserNotAuthorized",
        name: "UserNotAuthorizedError",
        data: { permission: "users:write" },
      },
    });
    expect(runs.of("users.create")).toBe(0);
    const { usersCreate } = await clientOf(app, admin.token).request(CREATE_USER, bob);
    expect(usersCreate).toEqual({ id: expect.any(String), username: "graphql-bob" });

    const { postsRemove } = await client.request(
      gql`
        mutation ($id: ID!) {
          postsRemove(id: $id)
        }
      `,
      { id: postsCreate.id },
    );
    expect(postsRemove).toBe(true);
  });

  it("answers a field that needs a user with AccessTokenRequired, and the others with their results", async () => {
    const { status, body } = await graphql(app, "{ usersProfile { id } postsList { nextCursor } }");
    expect(status).toBe(200);
    expect(body.data).toEqual({ usersProfile: null, postsList: { nextCursor: null } });
    const refusal = await app.refusal("GET /api/users/me");
    const { message, ...extensions } = refusal.body;
    expect(body.errors).toEqual([
      {
        message,
        path: ["usersProfile"],
        locations: [{ line: 1, column: 3 }],
        extensions,
      },
    ]);
  });

  it("names the invalid parameters as HTTP does, without what was sent", async () => {
    const query = 'mutation { postsCreate(title: "", body: "sent") { id } }';
    const { body } = await graphql(app, query, { token: alice.token });
    const refusal = await app.refusal("POST /api/posts", {
      token: alice.token,
      body: { title: "", body: "sent" },
    });
    expect(body.errors[0].extensions.data).toEqual(refusal.body.data);
    expect(JSON.stringify(body)).not.toContain("sent");
  });

  it("runs the fields of a mutation one after the other, and keeps the results of those before an error", async () => {
    const { body } = await graphql(
      app,
      'mutation { a: postsCreate(title: "1", body: "1") { title } b: usersRemove(id: "x") c: postsCreate(title: "2", body: "2") { title } }',
      { token: alice.token },
    );
    expect(body.data).toEqual({ a: { title: "1" }, b: null, c: { title: "2" } });
    expect(body.errors).toHaveLength(1);
  });

  it("returns the first result for a repeated idempotencyKey, and refuses the header", async () => {
    const key = crypto.randomUUID();
    const client = clientOf(app, alice.token);
    const [first, second] = [
      await client.request(CREATE, { ...HI, key }),
      await client.request(CREATE, { ...HI, key }),
    ];
    expect(second).toEqual(first);
    expect(await errorOf(client.request(CREATE, { ...HI, key: "with spaces" }))).toMatchObject({
      extensions: { type: "BadRequest" },
    });
    const before = runs.of("posts.create");
    const refused = await graphql(app, CREATE, {
      token: alice.token,
      variables: HI,
      headers: { "idempotency-key": key },
    });
    expect(refused).toMatchObject({ status: 400, body: { type: "BadRequest" } });
    expect(runs.of("posts.create")).toBe(before);
  });

  it("refuses a change of another version than the given one", async () => {
    const { postsCreate } = await clientOf(app, alice.token).request(CREATE, HI);
    const update = `mutation { postsUpdate(id: "${postsCreate.id}", title: "New", version: 2) { id } }`;
    expect((await graphql(app, update, { token: alice.token })).types).toEqual([
      "PreconditionFailed",
    ]);
  });

  it("looks the authors of a list up in one call, and each of them once", async () => {
    const bob = await app.register("bob");
    for (let count = 0; count < 10; count++)
      for (const user of [alice, bob]) await user.request("POST /api/posts", { body: HI });
    const before = runs.of("users.names");
    const lookedUp = vi.spyOn(UsersRepository.prototype, "namesOf");
    const { body } = await graphql(
      app,
      "{ postsList(limit: 20) { items { authorId author { id username } } } }",
      { token: alice.token },
    );
    expect(body.errors).toBeUndefined();
    const names = { [alice.id]: alice.username, [bob.id]: bob.username };
    expect(body.data.postsList.items).toHaveLength(20);
    for (const { authorId, author } of body.data.postsList.items)
      expect(author).toEqual({ id: authorId, username: names[authorId] });
    expect(runs.of("users.names")).toBe(before + 1);
    expect(lookedUp.mock.calls.map(([ids]) => ids.toSorted())).toEqual([
      [alice.id, bob.id].toSorted(),
    ]);
  });

  it("looks authors up on behalf of the user: without one, the posts have no authors", async () => {
    const before = runs.of("users.names");
    const { body, types } = await graphql(
      app,
      "{ postsList(limit: 2) { items { title author { username } } } }",
    );
    expect(body.data.postsList.items).toEqual([
      { title: "Hi", author: null },
      { title: "Hi", author: null },
    ]);
    expect(types).toEqual(["AccessTokenRequired", "AccessTokenRequired"]);
    expect(runs.of("users.names")).toBe(before);
  });

  it("has null for an author who no longer exists", async () => {
    const carol = await app.register("carol");
    const { body: post } = await carol.request("POST /api/posts", { body: HI });
    await admin.request("DELETE /api/users/:id", { path: { id: carol.id } });
    const query = `{ postsGet(id: "${post.id}") { authorId author { username } } }`;
    const { body } = await graphql(app, query, { token: alice.token });
    expect(body).toEqual({ data: { postsGet: { authorId: carol.id, author: null } } });
  });

  it("answers 400 to a refused document if the client accepts application/graphql-response+json, and else 200", async () => {
    const accept = "application/graphql-response+json";
    for (const query of [
      "{",
      "{ nothing }",
      "query ($n: Int!) { postsList(limit: $n) { nextCursor } }",
    ]) {
      const strict = await graphql(app, query, { headers: { accept } });
      expect(strict.status).toBe(400);
      expect(strict.headers.get("content-type")).toContain(accept);
      const usual = await graphql(app, query);
      expect(usual.status).toBe(200);
      expect(usual.headers.get("content-type")).toContain("application/json");
      expect(usual.body).toEqual(strict.body);
      expect(usual.body).not.toHaveProperty("data");
    }
    const { status } = await graphql(app, "{ usersProfile { id } }", { headers: { accept } });
    expect(status).toBe(200);
  });

  it("is not cached, and compressed unless it may carry tokens", async () => {
    await alice.request("POST /api/posts", { body: { title: "long", body: "x".repeat(2_000) } });
    const list = "{ postsList { items { id authorId excerpt } } }";
    const headers = { "accept-encoding": "gzip" };
    const compressed = await graphql(app, list, { headers });
    expect(compressed.headers.get("content-encoding")).toBe("gzip");
    expect(compressed.headers.get("cache-control")).toBe("no-store");
    const withToken = await graphql(
      app,
      `mutation { authLogout postsCreate(title: "t", body: "${"x".repeat(2_000)}") { body } }`,
      {
        token: (await app.login(alice.username, alice.password)).token,
        headers,
      },
    );
    expect(withToken.headers.get("content-encoding")).toBeNull();
  });

  it("counts each call as a request for the limits of its user and its address", async () => {
    const remaining = async (query: string) => {
      const { headers } = await graphql(app, query, { token: alice.token });
      return Number(headers.get("ratelimit-remaining"));
    };
    const fields = (count: number) =>
      `{ ${Array.from({ length: count }, (_, at) => `a${at}: usersProfile { id }`).join(" ")} }`;
    const before = await remaining(fields(1));
    await graphql(app, fields(10), { token: alice.token });
    // the second request shows its own point and nine more of the first
    expect(before - (await remaining(fields(1)))).toBe(11);
  });

  it("is documented by introspection, outside production", async () => {
    const { body } = await graphql(app, "{ __schema { queryType { name } } }");
    expect(body.data).toEqual({ __schema: { queryType: { name: "Query" } } });
  });

  it("has a page that loads nothing from elsewhere, outside production", async () => {
    const { status, headers, body } = await request(app, "GET /graphql");
    expect(status).toBe(200);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("content-security-policy")).not.toContain("http");
    expect(body).not.toMatch(/<(?:script|link)[^>]+(?:src|href)="?https?:/);
  });
});

describe.skipIf(isMissing)("With GRAPHQL=false, /graphql", () => {
  const app = application({ GRAPHQL: "false" });

  it("does not exist", async () => {
    for (const route of ["POST /graphql", "GET /graphql", "OPTIONS /graphql"])
      expect((await request(app, route, { body: undefined })).status).toBe(404);
  });
});
