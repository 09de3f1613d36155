/** An error object, as the API sends it over HTTP and sockets. */
interface ErrorObject {
  readonly message?: string;
  readonly code?: number;
  readonly type?: string;
  readonly data?: unknown;
}

/**
 * A refused or failed request. Decide by `type` or `code`.
 *
 * Types of the client's own, with code 0: `Unreachable` (no HTTP response), `Timeout` and `Disconnected` (no
 * acknowledgement), `Closed` (the client or the room was closed). `SignedOut` has code 401.
 */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** The HTTP status; 0 without a response. */
  readonly code: number;
  readonly type: string;
  /** Details, such as the invalid fields. */
  readonly data: unknown;
  /** The seconds to wait before the next attempt. */
  readonly retryAfter: number | undefined;

  constructor(
    { message, code = 0, type = "InternalError", data }: ErrorObject,
    options?: ErrorOptions & { retryAfter?: number | undefined },
  ) {
    super(message ?? type, options);
    this.code = code;
    this.type = type;
    this.data = data;
    this.retryAfter = options?.retryAfter ?? numberIn(data, "retryAfter");
  }
}

/** A number in the `data` of an error. */
export function numberIn(data: unknown, field: string): number | undefined {
  const value = isObject(data) ? data[field] : undefined;
  return typeof value === "number" ? value : undefined;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** The error in a response or an acknowledgement. */
export const errorIn = (given: unknown, code = 0, retryAfter?: number): ClientError =>
  new ClientError(
    { code, message: `The server responded with status ${code}.`, ...(isObject(given) && given) },
    { retryAfter },
  );

export const signedOut = (): ClientError =>
  new ClientError({ code: 401, type: "SignedOut", message: "Sign in first." });

export const closed = (): ClientError =>
  new ClientError({ type: "Closed", message: "The client or the room was closed." });

/** Whether the access token was refused: a newer one may be accepted. */
export const isOutdated = (error: unknown): error is ClientError =>
  error instanceof ClientError &&
  error.code === 401 &&
  /^(AccessToken|SigningKey)/.test(error.type);

/** Whether the same request may succeed later. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ClientError &&
  error.type !== "Closed" &&
  (error.code === 0 || error.code === 429 || error.code >= 500);

/** Whether the same event may succeed later. While no access token can be renewed, events are refused. */
export const isTransientEvent = (error: unknown): boolean =>
  isTransient(error) || isOutdated(error);
