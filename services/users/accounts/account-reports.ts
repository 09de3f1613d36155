import type { Caller } from "../../../lib/contract/calls.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { Account, Changed, UsersRepository } from "../users.repository.ts";

/** As much of a context as it takes to remove an account. */
type Remover = Caller & Parameters<typeof audit>[0];

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
  await ctx.call("auth.ready");
  const result = await change();
  await ctx.call("auth.renewSessions", { userId });
  return result;
}

/** Tells of a change who should know: the audit trail, and by mail the account's owner. */
export function tell(
  ctx: Parameters<typeof audit>[0],
  mails: AccountMails,
  { before, after, restoringToken }: Changed,
): void {
  const subject = partyOf(after);
  const fields = (["username", "email"] as const).filter((field) => before[field] !== after[field]);
  if (fields.length > 0) audit(ctx, { event: "account.changed", subject, data: { fields } });
  mails.emailChanged({ before, after, restoringToken });
  if (before.password_hash === after.password_hash) return;
  audit(ctx, { event: "password.changed", subject });
  mails.passwordChanged(before);
}

/**
 * Removes an account and ends its sessions.
 *
 * @param check refuses by throwing, once nobody else changes the account any more
 */
export async function removeAccount(
  ctx: Remover,
  accounts: UsersRepository,
  account: Account,
  check: (account: Account) => void,
): Promise<void> {
  const { id } = account;
  await endingSessions(ctx, { userId: id }, async () => {
    await accounts.remove(id, check);
    audit(ctx, { event: "account.removed", subject: partyOf(account) });
    await ctx.emit("user.removed", { id });
  });
}
