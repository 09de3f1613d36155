import { randomUUID } from "node:crypto";
import type { Caller, ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import { partyOf } from "../accounts/account-audit.ts";
import { mustExist } from "../accounts/account-rules.ts";
import type { Components, UsersActions } from "../components.ts";
import { type Credentials, type Login, type LoginContext, refuseRemoved } from "./login.ts";

/** The actions that check a password, and the second factor if there is one. */
export function loginActions(
  components: Components<"accounts" | "login">,
): UsersActions<"login" | "confirm"> {
  return {
    login: (ctx) => openSession(ctx, components().login, ctx.params),

    confirm: async (ctx) => {
      const { accounts, login } = components();
      const { sub, sid: id } = ctx.locals.user;
      const { currentPassword: password, otp } = ctx.params;
      const account = mustExist(await accounts.find(sub));
      await login.confirm(ctx, account, { password, otp });
      await ctx.call("auth.confirmSession", { id });
    },
  };
}

/**
 * Checks a user's credentials and begins a session.
 *
 * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, TooManyRequests
 */
export async function openSession(
  ctx: LoginContext & Caller,
  login: Login,
  credentials: Credentials & { username: string },
): Promise<ResultOf<"auth.generateToken">> {
  const verified = await login.verify(ctx, credentials);
  const { account } = verified;
  const session = { userId: account.id, sessionId: randomUUID() };
  const tokens = await ctx.call("auth.generateToken", session).catch(refuseRemoved);
  // a change of the password or the second factor ended only the sessions that existed then
  if (!(await login.isStillValid(verified, credentials.password))) {
    await ctx.call("auth.endSessions", { userId: account.id, only: session.sessionId });
    throw new CitadelError("InvalidCredentials");
  }
  audit(ctx, { event: "login.succeeded", actor: partyOf(account) });
  return tokens;
}
