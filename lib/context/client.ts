/**
 * The client of a request, as the gateway saw it. `ctx.meta.client` passes it to every nested call. Only an action that
 * is restricted to the gateway should rely on it: other services could change it.
 */
export interface Client {
  /** The address that a trusted proxy forwards; otherwise the address of the connection. */
  readonly address: string;
  /** The User-Agent, cut to a length that can be stored. */
  readonly userAgent?: string;
  /** The client's own name for its request: 1 to 64 letters, digits, `-` and `_`. Several clients may use the same. */
  readonly correlationId?: string;
}

const MAX_USER_AGENT = 200;
const CORRELATION_ID = /^[\w-]{1,64}$/;

/** A client with this address and these headers. A correlation id with other characters is dropped. */
export const makeClient = (
  address: string,
  userAgent: string | undefined,
  correlationId: string | undefined,
): Client => ({
  address,
  ...(userAgent !== undefined && { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
  ...(correlationId !== undefined && CORRELATION_ID.test(correlationId) && { correlationId }),
});
