/**
 * For how long after a change of the address links that set a password go to the old one, in
 * milliseconds. Who has got hold of an access token can change the address, and must not become the
 * account's owner by that: the old address is told, and keeps the way back for three days.
 */
const DURATION = 3 * 86_400_000;

/** As much of an account as says where its mail goes. */
interface Addresses {
  email: string;
  email_verified_at: Date | null;
  recovery_email: string | null;
  recovery_until: Date | null;
}

/** Where links that set a password go, at this time. */
export function recoveryAddressOf(
  { email, recovery_email, recovery_until }: Addresses,
  at = new Date(),
): string {
  const isKept = recovery_email !== null && recovery_until !== null && recovery_until > at;
  return isKept ? recovery_email : email;
}

/** What is to be kept of an account whose address changes: the verified address, once moved the first. */
export function keptOnMove(before: Addresses) {
  const address = recoveryAddressOf(before);
  if (address !== before.email) return {};
  if (before.email_verified_at === null) return {};
  return { recovery_email: address, recovery_until: new Date(Date.now() + DURATION) };
}
