/**
 * The client on whose behalf a call is made, as the gateway saw it. It travels in `ctx.meta.client` to
 * every nested call; only who may be called by the gateway alone should act on it.
 */
export interface Client {
  /** Of a proxy that is trusted, the address that it names; otherwise the connection's own. */
  readonly address: string;
  /** What it calls itself, cut to a length that can be stored. */
  readonly userAgent?: string;
  /** The client's own name for its request: 1 to 64 letters, digits, `-` and `_`. It may be anybody else's, too. */
  readonly correlationId?: string;
}

const MAX_USER_AGENT = 200;
const CORRELATION_ID = /^[\w-]{1,64}$/;

/** The client with this address and these headers; a correlation id of another form is left out. */
export const makeClient = (
  address: string,
  userAgent: string | undefined,
  correlationId: string | undefined,
): Client => ({
  address,
  ...(userAgent !== undefined && { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
  ...(correlationId !== undefined && CORRELATION_ID.test(correlationId) && { correlationId }),
});
