import { sql } from "kysely";

/** Allows for clocks that differ, and for the time from writing a session to signing its token; in seconds. */
export const LEEWAY = 60;

export const secondsFromNow = (seconds: number) => new Date(Date.now() + seconds * 1000);

/** When an access token that is issued now has expired, by the database's clock. */
export const tokenExpiry = (accessTokenTtl: number) =>
  sql<Date>`now() + make_interval(secs => ${accessTokenTtl + LEEWAY})`;

/**
 * When the last access token of a session has expired, if it may get one now. An earlier one may expire later, if
 * ACCESS_TOKEN_TTL was longer at the time.
 */
export const latestTokenExpiry = (accessTokenTtl: number) =>
  sql<Date>`greatest(tokens_until, ${tokenExpiry(accessTokenTtl)})`;
