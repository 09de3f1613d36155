/** An error type: its HTTP status, and a message that says what to do. */
export interface ErrorContract {
  readonly code: number;
  readonly message: string;
}

/**
 * The error types of the whole application. Types and codes are fixed: clients act on them. A service declares its own
 * in its contract and throws them as ServiceError.
 */
const ERRORS = {
  BadRequest: {
    code: 400,
    message: "The request could not be read. If it has a body, send a JSON object.",
  },
  AccessTokenRequired: {
    code: 401,
    message: "Sign in first, and send the token as 'Authorization: Bearer ...'.",
  },
  AccessTokenExpired: {
    code: 401,
    message: "The access token has expired. Get a new one with your refresh token.",
  },
  AccessTokenRevoked: {
    code: 401,
    message: "The session of this access token was ended. Sign in again.",
  },
  AccessTokenVerificationFailed: {
    code: 401,
    message: "The access token is not valid. Sign in again.",
  },
  SigningKeyNotFound: {
    code: 401,
    message: "The key that signed the access token is unknown here. Sign in again.",
  },
  InvalidCredentials: { code: 401, message: "The username or the password is wrong." },
  RefreshTokenInvalid: { code: 401, message: "The refresh token is not valid. Sign in again." },
  RefreshTokenReused: {
    code: 401,
    message: "The refresh token was used before, so its session was ended. Sign in again.",
  },
  ServiceTokenRequired: {
    code: 401,
    message: "Only certain services may call this, and the caller is not a verified service.",
  },
  ServiceTokenInvalid: {
    code: 401,
    message: "The caller's identity token is not valid for this call.",
  },
  UserNotAuthorized: { code: 403, message: "You lack the permission for this." },
  ServiceNotAuthorized: { code: 403, message: "The calling service may not call this." },
  OriginNotAllowed: {
    code: 403,
    message: "This origin may not connect. The operator lists origins in CORS_ORIGINS.",
  },
  NotFound: { code: 404, message: "There is nothing here." },
  MethodNotAllowed: {
    code: 405,
    message:
      "This path does not support the method. The Allow header lists those that it supports.",
  },
  RequestTooSlow: { code: 408, message: "The request did not arrive in time. Send it again." },
  Conflict: { code: 409, message: "This exists already." },
  PreconditionFailed: {
    code: 412,
    message: "It was changed since you read it. Read it again, then change it.",
  },
  PayloadTooLarge: { code: 413, message: "The request is too large." },
  UriTooLong: { code: 414, message: "The URL of the request is too long." },
  UnsupportedMediaType: {
    code: 415,
    message:
      "This type of body is not supported. Send JSON in UTF-8, as 'Content-Type: application/json'.",
  },
  VALIDATION_ERROR: { code: 422, message: "Some parameters are not valid; data lists them." },
  TooManyRequests: { code: 429, message: "Too many requests. Wait, and try again." },
  HeadersTooLarge: { code: 431, message: "The headers of the request are too large, or too many." },
  InternalError: {
    code: 500,
    message: "Something went wrong here. Quote the X-Request-ID if you report it.",
  },
  JwksError: {
    code: 503,
    message: "The issuer's key set is unavailable. Try again shortly.",
  },
  IdentityServiceNotAccessible: {
    code: 503,
    message: "Tokens cannot be verified at the moment. Try again shortly.",
  },
  UserServiceNotAccessible: {
    code: 503,
    message: "Accounts are unreachable, so nobody can sign in at the moment. Try again shortly.",
  },
  GuardNotAccessible: {
    code: 503,
    message: "The guard is unreachable, so this call was not made. Try again shortly.",
  },
  DatabaseNotAccessible: {
    code: 503,
    message: "The database is unreachable. Try again shortly.",
  },
  ServiceNotAvailable: {
    code: 503,
    message: "This is unavailable at the moment. Try again shortly.",
  },
  RequestTimeout: { code: 504, message: "This took too long. Try again shortly." },
} as const satisfies Record<string, ErrorContract>;

export type ErrorType = keyof typeof ERRORS;

export const ERROR_TYPES = Object.keys(ERRORS) as readonly ErrorType[];

/** The part of an error that differs each time. Never a submitted value, and nothing internal. */
export interface ErrorDetails {
  message?: string;
  data?: unknown;
  cause?: unknown;
  /** May the caller retry the call? Left out: yes, if the code is 503. */
  retryable?: boolean;
}

/** An error as clients receive it, over HTTP and sockets alike. */
export interface PublicError {
  name: string;
  message: string;
  code: number;
  type: string;
  data?: unknown;
}

/** A declared error type: the application's or a service's own. */
export interface DeclaredError extends ErrorContract {
  readonly type: string;
}

/** An error type of the application with its code and message. */
export const declaredError = (type: ErrorType): DeclaredError => ({ type, ...ERRORS[type] });

/** An error that clients receive unchanged. Other errors are converted by the gateway (public-error.ts). */
export class CitadelError extends Error {
  override readonly name: string;
  readonly code: number;
  readonly type: string;
  readonly data?: unknown;
  /** Moleculer's flag. */
  readonly retryable: boolean;

  constructor(
    error: ErrorType | DeclaredError,
    { message, data, cause, retryable }: ErrorDetails = {},
  ) {
    const { type, code, message: usual } = typeof error === "string" ? declaredError(error) : error;
    super(message ?? usual, cause === undefined ? undefined : { cause });
    this.name = `${type === "VALIDATION_ERROR" ? "Validation" : type.replace(/Error$/, "")}Error`;
    this.type = type;
    this.code = code;
    this.retryable = retryable ?? code === 503;
    if (data !== undefined) this.data = data;
  }

  /** The object that leaves the application: no stack, no cause. */
  toJSON(): PublicError {
    const { name, message, code, type, data } = this;
    return { name, message, code, type, ...(data !== undefined && { data }) };
  }
}

/** Is it an error type of the application? */
export function isErrorType(type: unknown): type is ErrorType {
  return typeof type === "string" && Object.hasOwn(ERRORS, type);
}
