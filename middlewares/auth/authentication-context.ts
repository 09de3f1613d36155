import type { Context, ServiceBroker } from "moleculer";
import { withoutSubject } from "../../lib/authentication/context.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";
import type { AccessTokenVerifier } from "../../lib/tokens/access-token-verifier.ts";
import { takeToken, type TokenLocals } from "./token-propagation.ts";

interface Options {
  /** The action or event handler, for the log. */
  readonly target: string;
  readonly verifier: AccessTokenVerifier;
  readonly logger: ServiceBroker["logger"];
}

/**
 * Sets `ctx.locals.authContext` for an endpoint with `auth: "context"`, which runs whatever its token is.
 *
 * @returns a promise only if the token's key or the revocations have to be fetched
 */
export function setAuthContext(
  ctx: Context,
  { target, verifier, logger }: Options,
): void | Promise<void> {
  const locals = ctx.locals as TokenLocals;
  const accept = (subject: AccessTokenClaims) => {
    locals.authContext = Object.freeze({ subject });
  };
  const refuse = (error: unknown) => {
    const { authErrorInfo } = (locals.authContext = Object.freeze(withoutSubject(error)));
    const { type, code } = authErrorInfo;
    if (type === "AccessTokenRequired") return;
    const { cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : undefined;
    // a client can send any number of invalid tokens; that an issuer is unavailable is for the operator
    logger[code >= 500 ? "warn" : "debug"](
      { type, reason, target },
      "A call has no authenticated subject.",
    );
  };
  try {
    const token = takeToken(ctx);
    if (token === undefined) throw new CitadelError("AccessTokenRequired");
    const user = verifier.verify(token);
    if (user instanceof Promise) return user.then(accept, refuse);
    accept(user);
  } catch (error) {
    refuse(error);
  }
}
