import type { ErrorType } from "../../errors/errors.ts";
import type { OAuthKind } from "../../errors/oauth-errors.ts";
import type { Access } from "./access.ts";
import type { Rule, Schema } from "../schemas/infer.ts";
import type { ClientEventContract } from "./socket.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One action: its parameters, result, route and access. */
export interface ActionContract extends Access {
  readonly description: string;
  /** The operator may also call it, in the REPL of the process that runs it. Only with a list in `restricted`. */
  readonly operator?: true;
  readonly params: Schema;
  /** `null`: there is no result, and HTTP responds with 204. */
  readonly result: Rule | null;
  /** The method and the whole path of its route: `"GET /api/posts/:id"`. */
  readonly rest?: `${Method} /${string}`;
  /** The request body may also be a form (application/x-www-form-urlencoded). */
  readonly form?: true;
  /**
   * Errors also have OAuth's `error` and `error_description` (RFC 6749, 5.2). `"token"`: the token endpoint, whose
   * statuses RFC 6749 fixes, and where clients may authenticate with `Authorization: Basic`.
   */
  readonly oauth?: OAuthKind;
  /** The socket event that calls it: the event's name, or a declaration with more details. */
  readonly socket?: string | ClientEventContract;
  /** It has no route on purpose and is called in the REPL: `as admin …`. */
  readonly closed?: true;
  /** The status of success, if it is not 200 (or 204 without a result). */
  readonly status?: 201 | 202;
  /**
   * The field of the result that counts its changes: the `ETag` is made from it. A parameter of the same name takes
   * the value of `If-Match` (RFC 9110, 13.1.1).
   */
  readonly etag?: string;
  /** It changes nothing, so a failed call is retried (RFC 9110, 9.2.1). A GET route implies it. */
  readonly safe?: true;
  /** The timeout of a call, in milliseconds; left out: the usual one. */
  readonly timeout?: number;
  /**
   * A repeated request with the same `Idempotency-Key` gets the first response. The service needs the table
   * `idempotency_keys`. `"atomic"`: the handler only writes to its own database, in the transaction that it receives, and
   * its rows and the response are committed together; without the header it receives a transaction as well. `"once"`: the response contains secrets and is not stored; the
   * handler receives `once`, which runs a function on the first request only.
   */
  readonly idempotent?: true | "atomic" | "once";
  /** The path in the Location header; `:id` stands for the field `id` of the result. */
  readonly location?: `/${string}`;
  /** The name of the limit that counts its calls, from the contract's `limits`. */
  readonly limit?: string;
  /** The error for clients while no node can run it; left out: ServiceNotAvailable. An error type with the code 503. */
  readonly unavailable?: ErrorType;
  /** The error types that its handler throws and that do not follow from the other keys. */
  readonly errors?: readonly string[];
}
