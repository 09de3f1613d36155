import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { type FuzzRequest, requestsFor } from "../helpers/fuzz.ts";
import { type HttpResponse, type Person, register, request } from "../helpers/http.ts";
import { type DescribedApi, actions, describedApi, type Operation } from "../helpers/openapi.ts";

/** `npm run test:fuzz`: FUZZ_SEED repeats a run, FUZZ_COUNT is the number of requests. */
const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
const COUNT = Number(process.env.FUZZ_COUNT ?? 900);
const EACH = Math.ceil(COUNT / actions.length);

/** The errors of malformed requests (the introduction of the OpenAPI document). */
const BEFORE_ROUTES = new Set([400, 404, 405, 408, 414, 431]);

/** Operations with a quota for each account. */
const QUOTAS = new Set([
  "auth.impersonate",
  "users.resendVerification",
  "users.updateProfile",
  "users.confirmSecondFactor",
]);

/** Sends generated requests to every operation, and checks each operation with a valid request afterwards. */
describe("Generated requests", () => {
  let app: App;
  let api: DescribedApi;
  let user: Person;
  let ids: string[];
  const before = new Map<string, number>();
  const tokens = new Map<string, string>();

  beforeAll(async () => {
    console.log(`Fuzzing with FUZZ_SEED=${SEED} FUZZ_COUNT=${COUNT}`);
    app = await startApp({
      RATE_LIMIT_ADDRESS: "off",
      RATE_LIMIT_USER: "off",
      RATE_LIMIT_PUBLIC: "off",
    });
    api = await describedApi(app);
    user = await register(app, "user");
    const token = await api.signIn(user.id);
    const post = await request(app, "POST /api/posts", { token, body: { title: "Hi", body: "x" } });
    ids = [user.id, post.body.id];
    for (const operation of actions)
      before.set(operation.id, (await api.calledWell(operation)).status);
  });
  afterAll(() => app?.stop());

  const tokenOf = async (who: FuzzRequest["who"]): Promise<string | undefined> => {
    if (who === "nobody") return undefined;
    const known = tokens.get(who);
    if (known !== undefined) return known;
    const token = await api.signIn(who === "user" ? user.id : undefined).catch(() => undefined);
    if (token !== undefined) tokens.set(who, token);
    return token;
  };

  const send = async (
    operation: Operation,
    { who, url, headers, body }: FuzzRequest,
  ): Promise<HttpResponse> => {
    const token = await tokenOf(who);
    const response = await fetch(app.url + url, {
      method: operation.method,
      redirect: "manual",
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    const read = isJson && text ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: read };
  };

  /** What is wrong with a response; undefined if it is as documented. */
  const faultOf = (operation: Operation, response: HttpResponse): string | undefined => {
    const { status, body } = response;
    if (status >= 500) return "the server failed";
    if (operation.described.responses[status]) return api.faultOf(operation, response);
    if (BEFORE_ROUTES.has(status) && body.code === status) return undefined;
    return "this status is not described";
  };

  it.each(actions)("for $id get documented responses", async (operation) => {
    const property = fc.asyncProperty(requestsFor(operation, ids), async (generated) => {
      const response = await send(operation, generated);
      // the request has ended its session
      if (response.status === 401 || response.status === 204) tokens.clear();
      const fault = faultOf(operation, response);
      expect(fault && { fault, status: response.status, body: response.body }).toBeUndefined();
    });
    await fc.assert(property, { seed: SEED, numRuns: EACH, timeout: 15_000 });
  });

  it.each(actions)("do not break $id", async (operation) => {
    const { status } = await api.calledWell(operation);
    const earlier = before.get(operation.id);
    // the generated requests have used up the quotas of their accounts
    const hasQuota = QUOTAS.has(operation.id) || earlier === 401;
    expect(hasQuota && status === 429 ? earlier : status).toBe(earlier);
  });
});
