import type { Caller } from "../../lib/contract.ts";
import { audit } from "../../middlewares/audit.ts";
import type { AccountMails } from "./account-mails.ts";
import type { Account, Changed } from "./users.repository.ts";

/** Whom an entry of the audit trail is about. */
export const partyOf = ({ id, username }: Account) => ({ id, name: username });

/**
 * Ends sessions before a change, so that nothing is changed while auth is away, and after it, since
 * somebody may have signed in meanwhile.
 */
export async function endingSessions<T>(
  ctx: Caller,
  which: { userId: string; except?: string },
  change: () => Promise<T>,
): Promise<T> {
  await ctx.call("auth.endSessions", which);
  const result = await change();
  await ctx.call("auth.endSessions", which);
  return result;
}

/**
 * Calls access tokens back after a change, since they say what was so until then. Nothing is changed
 * while auth is away; if it goes away meanwhile, to make the same change again calls them back.
 */
export async function renewingSessions<T>(
  ctx: Caller,
  userId: string,
  change: () => Promise<T>,
): Promise<T> {
  // is it there? Nothing follows from the answer
  await ctx.call("auth.jwks");
  const result = await change();
  await ctx.call("auth.renewSessions", { userId });
  return result;
}

/** Tells of a change who should know: the audit trail, and by mail the account's owner. */
export function tell(
  ctx: Parameters<typeof audit>[0],
  mails: AccountMails,
  { before, after }: Changed,
): void {
  const subject = partyOf(after);
  const fields = (["username", "email"] as const).filter((field) => before[field] !== after[field]);
  if (fields.length > 0) audit(ctx, { event: "account.changed", subject, data: { fields } });
  mails.emailChanged({ before, after });
  if (before.password_hash === after.password_hash) return;
  audit(ctx, { event: "password.changed", subject });
  mails.passwordChanged(before);
}
