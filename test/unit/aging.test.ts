import type { Context } from "moleculer";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CitadelError, type ErrorType } from "../../lib/errors.ts";
import type { CallPromise } from "../../lib/hooks.ts";
import { unlessAged } from "../../middlewares/service-guard/aging.ts";

describe("the guard's refusal of a call", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const refusedAfter = async (seconds: number, type: ErrorType) => {
    const { promise, reject } = Promise.withResolvers<never>();
    const answer = unlessAged(promise).catch((error: CitadelError) => error);
    vi.advanceTimersByTime(seconds * 1000);
    reject(new CitadelError(type));
    return (await answer) as CitadelError;
  };

  it("may be made up for by another, where the proof aged on its way", async () => {
    const error = await refusedAfter(16, "ServiceTokenInvalid");
    expect(error).toMatchObject({ type: "ServiceNotAvailable", code: 503, retryable: true });
    expect(error.cause).toMatchObject({ type: "ServiceTokenInvalid" });
  });

  it.each<[number, ErrorType]>([
    [1, "ServiceTokenInvalid"],
    [16, "ServiceTokenRequired"],
    [16, "ServiceNotAuthorized"],
    [16, "AccessTokenExpired"],
  ])("stays what it is after %d s: %s", async (seconds, type) => {
    expect(await refusedAfter(seconds, type)).toMatchObject({ type });
  });

  it("keeps the callee's context, whose meta the caller gets", () => {
    const promise: CallPromise = Promise.resolve();
    promise.ctx = {} as Context;
    expect(unlessAged(promise).ctx).toBe(promise.ctx);
  });
});
