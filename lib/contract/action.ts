import type { OAuthKind } from "../errors/oauth-errors.ts";
import type { Access } from "./access.ts";
import type { Rule, Schema } from "./infer.ts";
import type { ClientEventContract } from "./socket.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One action: what goes in, what comes out, where HTTP finds it, and who may ask. */
export interface ActionContract extends Access {
  readonly description: string;
  /** The operator may call it as well: the REPL of the process that runs it. Only beside a list in `restricted`. */
  readonly operator?: true;
  readonly params: Schema;
  /** `null`: nothing comes back, and HTTP answers 204. */
  readonly result: Rule | null;
  /** moleculer-web's convention, with the whole path: `"GET /api/posts/:id"`. */
  readonly rest?: `${Method} /${string}`;
  /** HTTP takes the parameters from a form, too (application/x-www-form-urlencoded). */
  readonly form?: true;
  /**
   * Errors have OAuth's `error` and `error_description` as well (RFC 6749, 5.2). `"token"`: it is the token
   * endpoint, where RFC 6749 also sets the statuses, and clients may authenticate by `Authorization: Basic`.
   */
  readonly oauth?: OAuthKind;
  /** The event by which sockets call it: its name, or more. */
  readonly socket?: string | ClientEventContract;
  /** No route leads here on purpose: it is for the REPL, `as admin …`. */
  readonly closed?: true;
  /** The status of success, where it is not 200 (or 204 without a result). */
  readonly status?: 201 | 202;
  /**
   * The field of the result that the `ETag` is made from: it counts the changes. A parameter of the same name is
   * what `If-Match` sends (RFC 9110, 13.1.1).
   */
  readonly etag?: string;
  /** It changes nothing, so a failed call is retried (RFC 9110, 9.2.1). A GET route implies it. */
  readonly safe?: true;
  /** How long a caller waits for it, in milliseconds, where that is longer than for most. */
  readonly timeout?: number;
  /**
   * A repeat with the same `Idempotency-Key` gets the first answer; the service needs the table for it.
   * `"atomic"`: the handler changes nothing but its own database, by the `db` that it is given, and what it
   * makes and the answer are committed together. `"once"`: the answer has secrets and is not kept; the handler is given
   * `once`, which runs on the first request only what must not run again.
   */
  readonly idempotent?: true | "atomic" | "once";
  /** Where HTTP finds what was made, for the Location header; what has a colon comes from the result. */
  readonly location?: `/${string}`;
  /** The limit, declared in the contract's `limits`, that counts its calls. */
  readonly limit?: string;
  /** The error types of its handler that do not follow from the rest: the application's and the service's own. */
  readonly errors?: readonly string[];
}
