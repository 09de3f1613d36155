import { ROUTES, type Operations } from "./api.ts";
import { ClientError, errorIn } from "./errors.ts";

export type Fetch = typeof globalThis.fetch;

/** Where requests go. */
export interface Endpoint {
  /** The server's URL, without a path. */
  readonly url: string;
  readonly fetch: Fetch;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** A repeated request with the same key gets the first response, for operations that take the header Idempotency-Key. */
  readonly idempotencyKey?: string | undefined;
}

interface RequestOptions extends CallOptions {
  readonly token?: string | undefined;
  /** In milliseconds. */
  readonly timeout?: number;
}

/** The time for a response, in milliseconds. The gateway responds with 504 before. */
const TIMEOUT = 30_000;

/** Whether the operation takes an access token. */
export const takesToken = (operation: keyof Operations): boolean =>
  ROUTES[operation][2 as number] !== "none";

/**
 * Sends one request.
 *
 * @throws ClientError
 */
export async function request<K extends keyof Operations>(
  { url, fetch }: Endpoint,
  operation: K,
  params: Operations[K]["params"],
  { token, signal, idempotencyKey, timeout = TIMEOUT }: RequestOptions = {},
): Promise<Operations[K]["result"]> {
  const [method, path] = ROUTES[operation];
  const rest = new Map(Object.entries(params).filter(([, value]) => value !== undefined));
  const target = new URL(
    path.replace(/:(\w+)/g, (_all, name: string) => {
      const value = String(rest.get(name));
      rest.delete(name);
      return encodeURIComponent(value);
    }),
    url,
  );
  const isInQuery = method === "GET" || method === "DELETE";
  if (isInQuery) for (const [name, value] of rest) target.searchParams.append(name, String(value));
  const response = await fetch(target, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      ...(!isInQuery && { "content-type": "application/json" }),
    },
    ...(!isInQuery && { body: JSON.stringify(Object.fromEntries(rest)) }),
    signal: AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]),
  }).catch((cause: unknown) => unreachable(url, cause, signal));
  const text = await response.text().catch((cause: unknown) => unreachable(url, cause, signal));
  const body = parse(text);
  if (!response.ok)
    throw errorIn(
      body,
      response.status,
      Number(response.headers.get("retry-after") ?? NaN) || undefined,
    );
  // the contract declares what the operation returns
  return body as Operations[K]["result"];
}

function unreachable(url: string, cause: unknown, signal: AbortSignal | undefined): never {
  signal?.throwIfAborted();
  throw new ClientError(
    { type: "Unreachable", message: `The server at ${url} is unreachable.` },
    { cause },
  );
}

/** The JSON text's value; null if it is none, such as a proxy's error page. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
