import type { Caller } from "../../../lib/contract/calls.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { Account, ChangedAccount } from "./account.ts";

/** An account as the actor or the subject of an audit event. */
export const partyOf = ({ id, username }: Account) => ({ id, name: username });

/** Records a change of an account in the audit trail, mails its owner, and tells other services of a new username. */
export async function reportChange(
  ctx: Parameters<typeof audit>[0] & Pick<Caller, "broadcast">,
  mails: AccountMails,
  { before, after, restoreToken }: ChangedAccount,
): Promise<void> {
  const subject = partyOf(after);
  const fields = (["username", "email"] as const).filter((field) => before[field] !== after[field]);
  if (fields.length > 0) audit(ctx, { event: "account.changed", subject, data: { fields } });
  mails.emailChanged({ before, after, restoreToken });
  if (before.password_hash !== after.password_hash) {
    audit(ctx, { event: "password.changed", subject });
    mails.passwordChanged(before);
  }
  if (before.username !== after.username) await ctx.broadcast("user.renamed", { id: after.id });
}
