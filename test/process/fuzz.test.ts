import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { type FuzzRequest, requestsFor } from "../helpers/fuzz.ts";
import { type HttpResponse, type Person, register, request } from "../helpers/http.ts";
import { type DescribedApi, actions, describedApi, type Operation } from "../helpers/openapi.ts";

/** `npm run test:fuzz`: FUZZ_SEED repeats a run, FUZZ_COUNT is how many requests. */
const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
const COUNT = Number(process.env.FUZZ_COUNT ?? 900);
const EACH = Math.ceil(COUNT / actions.length);

/** What a request that gets to no operation is refused with (the introduction of the OpenAPI document). */
const BEFORE_ROUTES = new Set([400, 404, 405, 408, 414, 431]);

/** Operations that an account may do only so often, whatever the rate limits. */
const QUOTAS = new Set([
  "auth.impersonate",
  "users.resendVerification",
  "users.updateProfile",
  "users.confirmSecondFactor",
]);

/** One after the other: generated requests to every operation, and each operation before and after them. */
describe("generated requests", () => {
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

  /** What of a response is wrong, if something is. */
  const faultOf = (operation: Operation, answer: HttpResponse): string | undefined => {
    const { status, body } = answer;
    if (status >= 500) return "the server failed";
    if (operation.described.responses[status]) return api.faultOf(operation, answer);
    if (BEFORE_ROUTES.has(status) && body.code === status) return undefined;
    return "this status is not described";
  };

  it.each(actions)("for $id are answered as it is described", async (operation) => {
    const property = fc.asyncProperty(requestsFor(operation, ids), async (generated) => {
      const answer = await send(operation, generated);
      // a session that such a request has ended
      if (answer.status === 401 || answer.status === 204) tokens.clear();
      const fault = faultOf(operation, answer);
      expect(fault && { fault, status: answer.status, body: answer.body }).toBeUndefined();
    });
    await fc.assert(property, { seed: SEED, numRuns: EACH, timeout: 15_000 });
  });

  it.each(actions)("leave $id as it was", async (operation) => {
    const { status } = await api.calledWell(operation);
    const earlier = before.get(operation.id);
    // mails and guesses have quotas for each account, which the requests before have used up
    const hasQuota = QUOTAS.has(operation.id) || earlier === 401;
    expect(hasQuota && status === 429 ? earlier : status).toBe(earlier);
  });
});
