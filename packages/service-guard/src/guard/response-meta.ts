import type { Context } from "moleculer";
import { pick } from "../node/pick.ts";
import type { CallPromise } from "./hooks.ts";

const NONE: { readonly meta: object } = Object.freeze({ meta: Object.freeze({}) });

/**
 * Keeps a callee from writing into its caller's meta. Moleculer merges the meta of the context that it finds on the
 * promise of a call.
 *
 * @param allowed the keys that reach the caller
 */
export const limitResponseMeta =
  (allowed: readonly string[]) =>
  (promise: CallPromise): CallPromise => {
    const { ctx } = promise;
    if (ctx) promise.ctx = (allowed.length === 0 ? NONE : new LimitedMeta(ctx, allowed)) as Context;
    return promise;
  };

/** The part of a callee's meta that its caller may see. */
class LimitedMeta {
  readonly #ctx: Context;
  readonly #allowed: readonly string[];

  constructor(ctx: Context, allowed: readonly string[]) {
    this.#ctx = ctx;
    this.#allowed = allowed;
  }

  get meta(): object {
    return pick(this.#ctx.meta, this.#allowed);
  }
}
