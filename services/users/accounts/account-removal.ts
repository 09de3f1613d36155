import type { Caller } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { UsersRepository } from "../users.repository.ts";
import type { Account, CheckAccount } from "./account.ts";
import { partyOf } from "./account-audit.ts";
import { changeAndEndSessions } from "./account-sessions.ts";

type RemovalContext = Caller & Parameters<typeof audit>[0];

/** After how long a registered account without a verified address is removed, in milliseconds (see mail-texts.ts). */
const UNVERIFIED_LIFETIME = 7 * 86_400_000;

/** How many expired accounts one run removes. */
const MAX_PER_RUN = 1_000;

/**
 * When an account that is registered now expires. Without a mail server its owner gets no link to verify the address,
 * so that the account does not expire.
 */
export const expiryOfUnverified = (smtpUrl: string | undefined): Date | undefined =>
  smtpUrl === undefined ? undefined : new Date(Date.now() + UNVERIFIED_LIFETIME);

/**
 * Removes an account and ends its sessions.
 *
 * @param check refuses by throwing, once the account's row is locked
 * @throws CitadelError NotFound; Conflict for the last administrator
 */
export async function removeAccount(
  ctx: RemovalContext,
  accounts: UsersRepository,
  account: Account,
  check: CheckAccount,
): Promise<void> {
  const { id } = account;
  await changeAndEndSessions(ctx, { userId: id }, async () => {
    await accounts.remove(id, check);
    audit(ctx, { event: "account.removed", subject: partyOf(account) });
  });
}

/**
 * Removes registered accounts whose owners did not verify an address in time. Several nodes may run it at once.
 *
 * @param signal stops it after the account that it is removing
 */
export async function removeExpiredAccounts(
  ctx: RemovalContext,
  accounts: UsersRepository,
  signal: AbortSignal,
): Promise<void> {
  for (const account of await accounts.expired(MAX_PER_RUN)) {
    if (signal.aborted) return;
    // NotFound: verified meanwhile, or removed by another node
    await removeAccount(ctx, accounts, account, mustHaveExpired).catch(ignoreNotFound);
  }
}

/** @throws CitadelError NotFound */
function mustHaveExpired({ expires_at }: Account): void {
  if (expires_at === null || expires_at > new Date()) throw new CitadelError("NotFound");
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof CitadelError && error.type === "NotFound")) throw error;
}
