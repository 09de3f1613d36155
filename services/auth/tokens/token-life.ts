import { sql } from "kysely";

/** What clocks differ by at most, and how much later than its session was written a token may be minted; in seconds. */
export const LEEWAY = 60;

/** When what lives so many seconds from now on ends. */
export const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000);

/** By the database's clock: when an access token is over that is minted now. */
export const tokenEnd = (accessTokenTtl: number) =>
  sql<Date>`now() + make_interval(secs => ${accessTokenTtl + LEEWAY})`;

/**
 * Until when the newest access token of a session lives, if it may get one now. Older ones may live longer:
 * ACCESS_TOKEN_TTL was perhaps another when they were minted.
 */
export const newestTokenEnd = (accessTokenTtl: number) =>
  sql<Date>`greatest(tokens_until, ${tokenEnd(accessTokenTtl)})`;
