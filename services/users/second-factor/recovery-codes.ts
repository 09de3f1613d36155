import { createHash, createHmac, hkdfSync, randomInt } from "node:crypto";

const RECOVERY_CODES = 10;
/** 32 characters, 5 bits each, without 0, 1, I and O, which are easily confused. */
const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const RECOVERY_CODE = new RegExp(`^[${ALPHABET}]{12}$`);

/** The prefix of HMACs. A stored hash without it is a plain SHA-256 of an older version. */
export const HMAC_PREFIX = "hmac.";

/** Twelve random characters: 60 bits of entropy. */
const makeRecoveryCode = () =>
  [0, 1, 2]
    .map(() => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join(""))
    .join("-");

export const makeRecoveryCodes = () => Array.from({ length: RECOVERY_CODES }, makeRecoveryCode);

/** A code without the differences of how users type it: case, spaces and dashes. */
export const normalise = (code: string) => code.toUpperCase().replace(/[\s-]/g, "");

/** Has a normalised code the form of a recovery code? */
export const isRecoveryCode = (normalised: string) => RECOVERY_CODE.test(normalised);

/**
 * Hashes the recovery codes of one account with HMAC-SHA-256. The key is derived (RFC 5869) from the account's TOTP
 * secret, which is random and stored encrypted with USERS_ENCRYPTION_KEY. So codes cannot be guessed offline with a
 * stolen database, and the hashes stay valid when the encryption key changes.
 */
export class RecoveryCodeHashes {
  readonly #accountId: string;
  readonly #key: Buffer;

  /** @param secret the decrypted TOTP secret */
  constructor(accountId: string, secret: string) {
    this.#accountId = accountId;
    this.#key = Buffer.from(hkdfSync("sha256", secret, "", `recovery codes ${accountId}`, 32));
  }

  of(code: string): string {
    const text = `${this.#accountId} ${normalise(code)}`;
    return this.ofPlainHash(createHash("sha256").update(text).digest("base64url"));
  }

  /** The HMAC of a stored plain hash; it equals `of` of its code. */
  ofPlainHash(hash: string): string {
    return HMAC_PREFIX + createHmac("sha256", this.#key).update(hash).digest("base64url");
  }
}
