import type { Encryption } from "../../../lib/encryption.ts";
import { RecoveryCodeHashes } from "./recovery-codes.ts";
import type { SecondFactorRepository, StoredFactor } from "./second-factor.repository.ts";

/** How many second factors are read at once. */
const BATCH = 100;
/** Before every account. */
const FIRST = "00000000-0000-0000-0000-000000000000";

/**
 * Encrypts anew what an older key has encrypted, and keys the hashes of recovery codes that were made without a key.
 *
 * @returns how many secrets were encrypted anew
 * @throws Error that says what to do where a key is missing
 */
export async function renewStoredFactors(
  factors: SecondFactorRepository,
  encryption: Encryption,
): Promise<number> {
  const { keyIds } = encryption;
  const missing = (await factors.keyIds()).filter((id) => !keyIds.includes(id));
  if (missing.length > 0) throw keyMissing(missing);

  /** Undefined where it was moved or damaged: its owner cannot sign in, but all others shall. */
  const secretOf = ({ account_id, secret }: StoredFactor) => {
    try {
      return encryption.decrypt(secret, account_id);
    } catch {
      return undefined;
    }
  };

  let renewed = 0;
  await forEach(
    (after) => factors.listOthers(keyIds[0] ?? "", after, BATCH),
    async (factor) => {
      const secret = secretOf(factor);
      if (secret === undefined) return;
      const text = encryption.encrypt(secret, factor.account_id);
      // false where another node has been faster
      if (await factors.replaceSecret(factor, text)) renewed += 1;
    },
  );
  await forEach(
    (after) => factors.listWithUnkeyedCodes(after, BATCH),
    async (factor) => {
      const secret = secretOf(factor);
      if (secret === undefined) return;
      const hashes = new RecoveryCodeHashes(factor.account_id, secret);
      await factors.keyCodes(factor.account_id, (hash) => hashes.keyed(hash));
    },
  );
  return renewed;
}

/** Reads second factors by account, so many at once, and works on them. */
async function forEach(
  list: (after: string) => Promise<StoredFactor[]>,
  work: (factor: StoredFactor) => Promise<void>,
): Promise<void> {
  for (let after: string | undefined = FIRST; after;) {
    const factors = await list(after);
    await Promise.all(factors.map(work));
    after = factors.at(-1)?.account_id;
  }
}

const keyMissing = (ids: readonly string[]) =>
  new Error(
    `Second factors in the database cannot be read: USERS_ENCRYPTION_KEY lacks the key ${ids.join(", ")} ` +
      "that they were stored with. Put that key back, on a line of its own behind a newer one. If it is " +
      "lost, delete what begins with its id in users.second_factors: until these accounts set up a second " +
      "factor anew, their passwords alone will do.",
  );
