import { createHash, createHmac, hkdfSync, randomInt } from "node:crypto";

const RECOVERY_CODES = 10;
/** 32 characters, 5 bits each. None looks like another. */
const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const RECOVERY_CODE = new RegExp(`^[${ALPHABET}]{12}$`);

/** Begins every keyed hash. Those without it are SHA-256 alone, from before. */
export const KEYED = "hmac.";

/** A recovery code: twelve characters at random, 60 bits of entropy. */
const makeRecoveryCode = () =>
  [0, 1, 2]
    .map(() => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join(""))
    .join("-");

export const makeRecoveryCodes = () => Array.from({ length: RECOVERY_CODES }, makeRecoveryCode);

/** A code as it is compared, however it was typed. */
export const normalise = (code: string) => code.toUpperCase().replace(/[\s-]/g, "");

/** Has it the form of a recovery code? */
export const isRecoveryCode = (normalised: string) => RECOVERY_CODE.test(normalised);

/**
 * Hashes recovery codes of one account with HMAC-SHA-256. The key follows from the account's TOTP secret (RFC 5869),
 * which is random and stored encrypted with USERS_ENCRYPTION_KEY: without that key nothing can be tried on a stolen
 * database, and another encryption key leaves the hashes good.
 */
export class RecoveryCodeHashes {
  readonly #accountId: string;
  readonly #key: Buffer;

  /** @param secret of TOTP, decrypted */
  constructor(accountId: string, secret: string) {
    this.#accountId = accountId;
    this.#key = Buffer.from(hkdfSync("sha256", secret, "", `recovery codes ${accountId}`, 32));
  }

  of(code: string): string {
    const text = `${this.#accountId} ${normalise(code)}`;
    return this.keyed(createHash("sha256").update(text).digest("base64url"));
  }

  /** What becomes of a hash without a key: the same as of its code. */
  keyed(hash: string): string {
    return KEYED + createHmac("sha256", this.#key).update(hash).digest("base64url");
  }
}
