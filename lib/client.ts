/**
 * The client on whose behalf a call is made, as the gateway saw it. It travels in `ctx.meta.client` to
 * every nested call; only who may be called by the gateway alone should act on it.
 */
export interface Client {
  /** Of a proxy that is trusted, the address that it names; otherwise the connection's own. */
  readonly address: string;
  /** What it calls itself, cut to a length that can be stored. */
  readonly userAgent?: string;
}

const MAX_USER_AGENT = 200;

/** The client with this address and `User-Agent` header. */
export const makeClient = (address: string, userAgent: string | undefined): Client => ({
  address,
  ...(userAgent !== undefined && { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
});
