import type { LimitContract, RateLimit } from "./limit.ts";

/** A declared rate limit that a setting changes. */
export type RateLimitSetting = Required<Pick<LimitContract, "max" | "seconds" | "setting">>;

/** The rate limits of the gateway; undefined: none. */
export interface RateLimits {
  /** Requests from one client address. */
  readonly address: RateLimit | undefined;
  /** Requests and socket events of one user, from all addresses. */
  readonly user: RateLimit | undefined;
  /** Writes that need no access token, from one client address: registering, signing in. */
  readonly public: RateLimit | undefined;
  /** Events from one socket. */
  readonly socket: RateLimit | undefined;
}

/**
 * Reads `"600/60"`: 600 in 60 seconds.
 *
 * @param production whether a limit is required; otherwise `off` disables it
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
    `${name} must be <number>/<seconds>, such as "600/60"${production ? "" : ', or "off"'}`,
  );
  return undefined;
}
