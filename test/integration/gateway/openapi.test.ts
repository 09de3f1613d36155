import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { administrator, type Answer, request } from "../../helpers/http.ts";
import {
  actions,
  type DescribedApi,
  describedApi,
  operationsOf,
  paramsOf,
  type Operation,
} from "../../helpers/openapi.ts";

/** Every answer of the API, held against what its description says of it. */
describe.skipIf(isMissing)("the description of the API", () => {
  let app: App;
  let api: DescribedApi;
  let description: any;
  beforeAll(async () => {
    app = await startApp();
    api = await describedApi(app);
    description = api.document;
  });
  afterAll(() => app?.stop());

  const holdAgainst = (operation: Operation, answer: Answer) => {
    const { status, body } = answer;
    const fault = api.faultOf(operation, answer);
    expect(fault && { fault, status, body }).toBeUndefined();
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
    const answer = await api.call(operation);
    expect(answer.status).toBe(200);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as an administrator calls it", async (operation) => {
    const answer = await api.calledWell(operation);
    expect(answer.status).toBeLessThan(500);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as nobody calls it", async (operation) => {
    const answer = await api.call(operation);
    expect(answer.status).toBeLessThan(500);
    if (operation.described.security.length === 1) expect(answer.status).toBe(401);
    holdAgainst(operation, answer);
  });

  it.each(actions)("fits $id as somebody calls it who has not read it", async (operation) => {
    const unknown = Object.keys(paramsOf(operation).inPath).map((name) => [name, randomUUID()]);
    const answer = await api.call(operation, await api.signIn(), {
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
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      const { headers } = await api.call(operation, token, { inPath });
      const fresh = { "if-none-match": headers.get("etag")! };
      const answer = await api.call(operation, token, { inPath, headers: fresh });
      expect(answer.status).toBe(304);
      holdAgainst(operation, answer);
    },
  );

  it.each(actions.filter(takes("If-Match")))(
    "fits $id as somebody calls it who has read an older version",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      for (const [tag, status] of [
        ['"999999999"', 412],
        ['"1", "2"', 400],
      ] as const) {
        const answer = await api.call(operation, token, { inPath, headers: { "if-match": tag } });
        expect(answer.status).toBe(status);
        holdAgainst(operation, answer);
      }
    },
  );

  it.each(actions.filter(takes("If-Match")).filter(readerOf))(
    "fits $id as somebody calls it who has read this version",
    async (operation) => {
      const token = await api.signIn();
      const inPath = await api.idsFor(operation, token);
      const { headers } = await api.call(readerOf(operation)!, token, { inPath });
      const read = { "if-match": headers.get("etag")! };
      const answer = await api.call(operation, token, { inPath, headers: read });
      expect(answer.status).toBeLessThan(300);
      holdAgainst(operation, answer);
    },
  );

  it.each(actions.filter(takes("Idempotency-Key")))(
    "fits $id as somebody calls it again",
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
      const answer = await api.call(operation, undefined, { body });
      expect(answer.status).toBe(200);
      holdAgainst(operation, answer);
    }
  });

  it.each(["posts.create", "posts.update", "posts.remove", "users.get", "users.setRoles"])(
    "says what makes %s succeed",
    async (id) => {
      const { status } = await api.calledWell(actions.find((one) => one.id === id)!);
      expect(status).toBeLessThan(300);
    },
  );
});
