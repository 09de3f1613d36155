import type { LimitContract, RateLimit } from "./limit.ts";

/** A declared rate limit that a setting changes. */
export type RateLimitSetting = Required<Pick<LimitContract, "max" | "seconds" | "setting">>;

/** How much is let through; undefined: everything. */
export interface RateLimits {
  /** Requests from one address. */
  readonly address: RateLimit | undefined;
  /** Requests and socket events of one user, from wherever. */
  readonly user: RateLimit | undefined;
  /** What anybody may send without being somebody, from one address: registering, signing in. */
  readonly public: RateLimit | undefined;
  /** Events of one socket. */
  readonly socket: RateLimit | undefined;
}

/**
 * Reads `"600/60"`: 600 in 60 seconds.
 *
 * @param production there must be a limit there; elsewhere `off` is none
 */
export function readRateLimit(
  name: string,
  text: string,
  production: boolean,
  problems: string[],
): RateLimit | undefined {
  if (text === "off" && !production) return undefined;
  const [, max, seconds] = /^([1-9]\d{0,6})\/([1-9]\d{0,3})$/.exec(text) ?? [];
  if (max && seconds) return { max: Number(max), seconds: Number(seconds) };
  problems.push(
    `${name} must be <how many>/<in how many seconds>, "600/60"${production ? "" : ', or "off"'}`,
  );
  return undefined;
}
