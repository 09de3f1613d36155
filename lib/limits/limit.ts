/** What is counted separately. `address`: each network of a client's address; `application`: one count for all nodes. */
export type LimitScope =
  | "user"
  | "session"
  | "account"
  | "recipient"
  | "address"
  | "connection"
  | "socket"
  | "room"
  | "request"
  | "node"
  | "application";

/** A limit. The code reads its numbers, and docs/limits.md is made from it. */
export interface LimitContract {
  /** What is counted, as a plural: `"registrations"` */
  readonly counts: string;
  readonly per: LimitScope;
  readonly max: number;
  /** The window, in seconds; left out: the limit is for what exists at the same time. */
  readonly seconds?: number;
  /** What happens when the limit is exceeded; left out: 429 TooManyRequests. */
  readonly exceeded?: string;
  /** The environment variable that overrides `max` or the rate. */
  readonly setting?: string;
}

/** At most `max` within `seconds`. */
export type RateLimit = Required<Pick<LimitContract, "max" | "seconds">>;

/** The limits of a service, or of the application, by name. */
export type Limits = Readonly<Record<string, LimitContract>>;
