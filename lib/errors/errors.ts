/**
 * Every error that may leave the application, with its HTTP status and what the person who reads it
 * should do. The types and codes are fixed: clients act on them.
 */
const ERRORS = {
  BadRequest: [400, "The request could not be read. Where it has a body, send a JSON object."],
  LinkInvalid: [400, "This link was used before, or is too old. Ask for a new one."],
  AccessTokenRequired: [401, "Sign in first, and send the token as 'Authorization: Bearer ...'."],
  AccessTokenExpired: [401, "The access token has expired. Get a new one with your refresh token."],
  AccessTokenRevoked: [401, "The session of this access token was ended. Sign in again."],
  AccessTokenVerificationFailed: [401, "The access token is not valid. Sign in again."],
  SigningKeyNotFound: [
    401,
    "The access token was signed with a key that is not known here. Sign in again.",
  ],
  InvalidCredentials: [401, "The username or the password is wrong."],
  SecondFactorRequired: [401, "This account has a second factor. Send its code as 'otp'."],
  SecondFactorInvalid: [401, "The code of the second factor is wrong, too old, or used before."],
  RefreshTokenInvalid: [401, "The refresh token is not valid. Sign in again."],
  RefreshTokenReused: [
    401,
    "The refresh token was used before, so its session was ended. Sign in again.",
  ],
  ServiceTokenRequired: [
    401,
    "Only certain services may call this, and the caller has not proved to be one.",
  ],
  ServiceTokenInvalid: [401, "The caller's service token is not valid for this."],
  UserNotAuthorized: [403, "You lack the permission for this."],
  ReauthenticationRequired: [
    403,
    "You signed in too long ago for this. Send your password, and a code of your second factor if you have one, to POST /api/auth/confirm; then try again within 10 minutes.",
  ],
  ServiceNotAuthorized: [403, "The calling service may not call this."],
  OriginNotAllowed: [
    403,
    "This origin may not connect. The operator lists origins in CORS_ORIGINS.",
  ],
  NotFound: [404, "There is nothing here."],
  MethodNotAllowed: [405, "This cannot be done here; Allow says what can."],
  RequestTooSlow: [408, "The request did not arrive in time. Send it again."],
  Conflict: [409, "This exists already."],
  PreconditionFailed: [412, "It was changed since you read it. Read it again, then change it."],
  PayloadTooLarge: [413, "The request is too large."],
  UriTooLong: [414, "The address of the request is too long."],
  UnsupportedMediaType: [
    415,
    "The body is of a kind that is not read here. Send JSON in UTF-8, as 'Content-Type: application/json'.",
  ],
  VALIDATION_ERROR: [422, "Some parameters are not valid; data says which."],
  TooManyRequests: [429, "Too many requests. Wait, and try again."],
  HeadersTooLarge: [431, "The headers of the request are too large, or too many."],
  InternalError: [500, "Something went wrong here. Quote the X-Request-ID if you report it."],
  JwksError: [503, "The issuer's key set cannot be had at the moment. Try again shortly."],
  IdentityServiceNotAccessible: [503, "Tokens cannot be checked at the moment. Try again shortly."],
  GuardNotAccessible: [
    503,
    "The guard cannot be reached, so this call was not made. Try again shortly.",
  ],
  DatabaseNotAccessible: [503, "The database cannot be reached at the moment. Try again shortly."],
  ServiceNotAvailable: [503, "This is not available at the moment. Try again shortly."],
  RequestTimeout: [504, "This took too long. Try again shortly."],
} as const satisfies Record<string, readonly [code: number, message: string]>;

export type ErrorType = keyof typeof ERRORS;

export const ERROR_TYPES = Object.keys(ERRORS) as readonly ErrorType[];

/** What an error says beyond its type. Never a submitted value, and nothing of the inside. */
export interface ErrorDetails {
  message?: string;
  data?: unknown;
  cause?: unknown;
  /** May the same call be made again? Left out: yes, if its code is 503. */
  retryable?: boolean;
}

/** What a client sees of an error, over HTTP and sockets alike. */
export interface PublicError {
  name: string;
  message: string;
  code: number;
  type: ErrorType;
  data?: unknown;
}

/** An error that may be shown outside as it is. Anything else becomes InternalError at the gateway. */
export class CitadelError extends Error {
  override readonly name: string;
  readonly code: number;
  readonly type: ErrorType;
  readonly data?: unknown;
  /** Moleculer's flag. */
  readonly retryable: boolean;

  constructor(type: ErrorType, { message, data, cause, retryable }: ErrorDetails = {}) {
    super(message ?? ERRORS[type][1], cause === undefined ? undefined : { cause });
    this.name = `${type === "VALIDATION_ERROR" ? "Validation" : type.replace(/Error$/, "")}Error`;
    this.type = type;
    this.code = ERRORS[type][0];
    this.retryable = retryable ?? this.code === 503;
    if (data !== undefined) this.data = data;
  }

  /** The object that leaves the application: no stack, no cause. */
  toJSON(): PublicError {
    const { name, message, code, type, data } = this;
    return { name, message, code, type, ...(data !== undefined && { data }) };
  }
}

export function isErrorType(type: unknown): type is ErrorType {
  return typeof type === "string" && Object.hasOwn(ERRORS, type);
}
