import type { Encryption } from "../../../lib/encryption.ts";
import { RecoveryCodeHashes } from "./recovery-codes.ts";
import type { SecondFactorRepository, StoredFactor } from "./second-factor.repository.ts";

/** How many second factors are read at a time. */
const BATCH = 100;
/** Sorts before every account's id. */
const FIRST = "00000000-0000-0000-0000-000000000000";

/**
 * Encrypts all TOTP secrets with the current key, and replaces plain hashes of recovery codes by HMACs. A secret that
 * cannot be decrypted stays as it is.
 *
 * @returns how many secrets were encrypted again
 * @throws Error if a key that is in use is missing; the message says what to do
 */
export async function renewStoredFactors(
  factors: SecondFactorRepository,
  encryption: Encryption,
): Promise<number> {
  const { keyIds } = encryption;
  const missing = (await factors.keyIds()).filter((id) => !keyIds.includes(id));
  if (missing.length > 0) throw keyMissing(missing);

  /** Undefined for a damaged secret: its owner cannot sign in, but the service starts for all others. */
  const secretOf = ({ account_id, secret }: StoredFactor) => {
    try {
      return encryption.decrypt(secret, account_id);
    } catch {
      return undefined;
    }
  };

  let renewed = 0;
  await forEachFactor(
    (after) => factors.listOtherKeys(keyIds[0] ?? "", after, BATCH),
    async (factor) => {
      const secret = secretOf(factor);
      if (secret === undefined) return;
      const text = encryption.encrypt(secret, factor.account_id);
      // false if another node has replaced it at the same time
      if (await factors.replaceSecret(factor, text)) renewed += 1;
    },
  );
  await forEachFactor(
    (after) => factors.listWithPlainHashes(after, BATCH),
    async (factor) => {
      const secret = secretOf(factor);
      if (secret === undefined) return;
      const hashes = new RecoveryCodeHashes(factor.account_id, secret);
      await factors.replacePlainHashes(factor.account_id, (hash) => hashes.ofPlainHash(hash));
    },
  );
  return renewed;
}

/** Lists second factors in batches, ordered by account, and runs `work` for each. */
async function forEachFactor(
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
    `Second factors in the database cannot be decrypted: USERS_ENCRYPTION_KEY lacks the key ${ids.join(", ")} ` +
      "that encrypted them. Add that key on a line of its own after the current one. If the key is lost, " +
      "delete the rows of users.second_factors whose secret begins with its id: these accounts are then " +
      "protected by their passwords alone until their owners set up a second factor again.",
  );
