import { isDeepStrictEqual } from "node:util";
import { audit } from "../../../middlewares/audit.ts";
import type { Account, ChangedAccount } from "./account.ts";

/** The fields whose changes are recorded, by their names only. */
const FIELDS = ["username", "email", "name", "tags", "extensions"] as const;

/** An account as the actor or the subject of an audit event. */
export const partyOf = ({ id, username }: Account) => ({ id, name: username });

/** Records a change of an account in the audit trail. */
export function auditChange(
  ctx: Parameters<typeof audit>[0],
  { before, after }: Pick<ChangedAccount, "before" | "after">,
): void {
  const subject = partyOf(after);
  const fields = FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field]));
  if (fields.length > 0) audit(ctx, { event: "account.changed", subject, data: { fields } });
  if (before.password_hash !== after.password_hash)
    audit(ctx, { event: "password.changed", subject });
}
