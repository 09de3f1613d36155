/** What has a count of its own. `address`: each network of a client's address; `application`: all nodes together. */
export type LimitScope =
  | "user"
  | "session"
  | "account"
  | "recipient"
  | "address"
  | "connection"
  | "socket"
  | "request"
  | "node"
  | "application";

/** A limit. Code takes its numbers from here, and docs/limits.md is made from it. */
export interface LimitContract {
  /** What is counted, as a plural: `"registrations"` */
  readonly counts: string;
  readonly per: LimitScope;
  readonly max: number;
  /** The window, in seconds; left out: the limit is on how many there are at one time. */
  readonly seconds?: number;
  /** What happens beyond it; left out: 429 TooManyRequests. */
  readonly exceeded?: string;
  /** The environment variable that changes it. */
  readonly setting?: string;
}

/** So many in so many seconds. */
export type RateLimit = Required<Pick<LimitContract, "max" | "seconds">>;

/** The limits of a service, or of the application, by name. */
export type Limits = Readonly<Record<string, LimitContract>>;
