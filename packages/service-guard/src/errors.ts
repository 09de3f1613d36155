const ERRORS = {
  ServiceTokenRequired: [
    401,
    "Only certain services may call this, and the caller is not a verified service.",
  ],
  ServiceTokenInvalid: [
    401,
    "The guard refuses the calling service's credential. Generate a new one with guard.generate.",
  ],
  ServiceNotAuthorized: [403, "The calling service may not call this."],
  GuardNotAccessible: [
    503,
    "The calling service has no valid identity and the guard is unreachable. Try again shortly.",
  ],
} as const;

export type GuardErrorType = keyof typeof ERRORS;

/** The error of a refused call or event, with the fields of Moleculer's own errors. */
export class GuardError extends Error {
  override readonly name = "GuardError";
  readonly code: number;
  readonly type: GuardErrorType;
  /** May the same call be made again? */
  readonly retryable: boolean;

  constructor(type: GuardErrorType, options?: ErrorOptions) {
    super(ERRORS[type][1], options);
    this.type = type;
    this.code = ERRORS[type][0];
    this.retryable = type === "GuardNotAccessible";
  }
}
