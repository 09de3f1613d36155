import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { administrator, type HttpResponse, request } from "../../helpers/http.ts";
import {
  actions,
  type DescribedApi,
  describedApi,
  operationsOf,
  paramsOf,
  type Operation,
} from "../../helpers/openapi.ts";

/** Compares every response of the API with the OpenAPI document. */
describe.skipIf(isMissing)("GET /openapi.json", () => {
  let app: App;
  let api: DescribedApi;
  let document: any;
  beforeAll(async () => {
    app = await sharedApp();
    api = await describedApi(app);
    document = api.document;
  });

  const expectDocumented = (operation: Operation, response: HttpResponse) => {
    const { status, body } = response;
    const fault = api.faultOf(operation, response);
    expect(fault && { fault, status, body }).toBeUndefined();
  };

  it("is cached and revalidated by its ETag", async () => {
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
    expect(plain.body).toEqual(document);
  });

  it("has the operations of the contracts and of the gateway", () => {
    const ids = operationsOf(document.paths).map(({ id }) => id);
    expect(ids.toSorted()).toEqual(
      [
        ...actions.map(({ id }) => id),
        "api.openapi",
        "api.asyncapi",
        "api.docs",
        "api.live",
        "api.ready",
      ].toSorted(),
    );
  });

  it.each(["api.openapi", "api.asyncapi", "api.docs", "api.live", "api.ready"])(
    "documents the response of %s",
    async (id) => {
      const operation = operationsOf(document.paths).find((one) => one.id === id)!;
      const response = await api.call(operation);
      expect(response.status).toBe(200);
      expectDocumented(operation, response);
    },
  );

  it.each(actions)("documents the response of $id to an administrator", async (operation) => {
    const response = await api.calledWell(operation);
    expect(response.status).toBeLessThan(500);
    expectDocumented(operation, response);
  });

  it.each(actions)("documents the response of $id without a token", async (operation) => {
    const response = await api.call(operation);
    expect(response.status).toBeLessThan(500);
    if (operation.described.security.length === 1) expect(response.status).toBe(401);
    expectDocumented(operation, response);
  });

  it.each(actions)(
    "documents the response of $id to unknown parameters and ids",
    async (operation) => {
      const unknown = Object.keys(paramsOf(operation).inPath).map((name) => [name, randomUUID()]);
      const response = await api.call(operation, await api.signIn(), {
        inPath: Object.fromEntries(unknown),
        inQuery: { nonsense: "1" },
        ...(operation.described.requestBody && { body: { nonsense: 1 } }),
      });
      expect(response.status).toBeLessThan(500);
      expectDocumented(operation, response);
    },
  );

  const takes = (header: string) => (operation: Operation) =>
    (operation.described.parameters ?? []).some(({ name }: any) => name === header);
  const readerOf = ({ path }: Operation) =>
    actions.find(
      (one) => one.path === path && one.method === "GET" && 304 in one.described.responses,
    );

  it.each(actions.filter(takes("If-None-Match")))(
    "documents the response of $id to a matching If-None-Match",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      const { headers } = await api.call(operation, token, { inPath });
      const fresh = { "if-none-match": headers.get("etag")! };
      const response = await api.call(operation, token, { inPath, headers: fresh });
      expect(response.status).toBe(304);
      expectDocumented(operation, response);
    },
  );

  it.each(actions.filter(takes("If-Match")))(
    "documents the response of $id to an If-Match that does not match",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      for (const [tag, status] of [
        ['"999999999"', 412],
        ['"1", "2"', 400],
      ] as const) {
        const response = await api.call(operation, token, { inPath, headers: { "if-match": tag } });
        expect(response.status).toBe(status);
        expectDocumented(operation, response);
      }
    },
  );

  it.each(actions.filter(takes("If-Match")).filter(readerOf))(
    "documents the response of $id to a matching If-Match",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      const { headers } = await api.call(readerOf(operation)!, token, { inPath });
      const read = { "if-match": headers.get("etag")! };
      const response = await api.call(operation, token, { inPath, headers: read });
      expect(response.status).toBeLessThan(300);
      expectDocumented(operation, response);
    },
  );

  it.each(actions.filter(takes("Idempotency-Key")))(
    "documents the response of $id to a repeated request",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      const { body } = paramsOf(operation);
      const send = (sent: unknown, key: string) =>
        api.call(operation, token, { inPath, body: sent, headers: { "idempotency-key": key } });
      const key = randomUUID();
      const first = await send(body, key);
      expect(first.status).toBeLessThan(300);
      const again = await send(body, key);
      expect(again.status).toBe(first.status);
      // a repeated registration signs in, since tokens are not stored
      const isStored = operation.id !== "users.register";
      expect(again.body).toMatchObject(isStored ? first.body : { user: first.body.user });
      const other = Object.fromEntries(Object.keys(body).map((name) => [name, `${body[name]}x`]));
      const reused = await send(other, key);
      // without a user, a key belongs to the whole request
      expect(reused.status).toBe(isStored ? 422 : 201);
      const unreadable = await send(body, "a b");
      expect(unreadable.status).toBe(400);
      for (const response of [first, again, reused, unreadable])
        expectDocumented(operation, response);
    },
  );

  it("documents the responses of login and refresh", async () => {
    const { username, password, refreshToken } = await administrator(app);
    for (const [id, body] of [
      ["users.login", { username, password }],
      ["auth.refresh", { refresh_token: refreshToken }],
    ] as const) {
      const operation = actions.find((one) => one.id === id)!;
      const response = await api.call(operation, undefined, { body });
      expect(response.status).toBe(200);
      expectDocumented(operation, response);
    }
  });

  it.each(["posts.create", "posts.update", "posts.remove", "users.get", "users.setRoles"])(
    "has an example request with which %s succeeds",
    async (id) => {
      const { status } = await api.calledWell(actions.find((one) => one.id === id)!);
      expect(status).toBeLessThan(300);
    },
  );
});
