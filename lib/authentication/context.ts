import { CitadelError, type PublicError } from "../errors/errors.ts";
import type { AccessTokenClaims } from "../tokens/access-token.ts";

/** The verified subject of a request, or the reason why there is none: exactly one of the two. */
export type AuthenticationContext =
  | { readonly subject: AccessTokenClaims; readonly authErrorInfo?: never }
  | { readonly subject?: never; readonly authErrorInfo: PublicError };

/**
 * The context of a request whose access token is missing or refused.
 *
 * @throws the error itself unless it is a declared one: any other is a fault of the program
 */
export function withoutSubject(error: unknown): { readonly authErrorInfo: PublicError } {
  if (!(error instanceof CitadelError)) throw error;
  return { authErrorInfo: error.toJSON() };
}

/** The user of a call: the required or optional user, or the subject of its authentication context. */
export const subjectOf = ({
  user,
  authContext,
}: {
  readonly user?: AccessTokenClaims | undefined;
  readonly authContext?: AuthenticationContext | undefined;
}): AccessTokenClaims | undefined => user ?? authContext?.subject;
