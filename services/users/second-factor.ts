import { createHash, randomInt } from "node:crypto";
import { generateSecret, generateURI, verifySync } from "otplib";
import type { Encryption } from "../../lib/encryption.ts";
import { CitadelError } from "../../lib/errors.ts";
import type { SecondFactorRepository, StoredFactor } from "./second-factor.repository.ts";

/** A time step of TOTP, in seconds (RFC 6238, 5.2). The one before and the one after will do as well. */
const PERIOD = 30;

/** How many secrets are encrypted anew at once. */
const BATCH = 100;
/** Before every account. */
const FIRST = "00000000-0000-0000-0000-000000000000";

const RECOVERY_CODES = 10;
/** Twelve of these are 60 bits. None looks like another. */
const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

const makeRecoveryCode = () =>
  [0, 1, 2]
    .map(() => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join(""))
    .join("-");

/** A code as it is compared, however it was typed. */
const normalise = (code: string) => code.toUpperCase().replace(/[\s-]/g, "");

const hashOf = (accountId: string, code: string) =>
  createHash("sha256")
    .update(`${accountId} ${normalise(code)}`)
    .digest("base64url");

/** A proposed secret, and the time step of the code that was shown of it. */
export interface ShownFactor {
  readonly factor: StoredFactor;
  readonly step: number;
}

/** How a second factor was proved. */
export type Proof = "code" | "recovery-code";

/** The second factor of accounts: TOTP (RFC 6238), and recovery codes where that is lost. */
export class SecondFactor {
  readonly #factors: SecondFactorRepository;
  readonly #encryption: Encryption;
  readonly #issuer: string;

  /** @param issuer whose account it is, as an authenticator shows it */
  constructor(factors: SecondFactorRepository, encryption: Encryption, issuer: string) {
    this.#factors = factors;
    this.#encryption = encryption;
    this.#issuer = issuer;
  }

  /**
   * Encrypts anew what an older key has encrypted, so that this key may go.
   *
   * @returns how many secrets that were
   * @throws Error that says what to do where a key is missing
   */
  async open(): Promise<number> {
    const { keyIds } = this.#encryption;
    const stored = await this.#factors.keyIds();
    const missing = stored.filter((id) => !keyIds.includes(id));
    if (missing.length > 0) throw keyMissing(missing);
    return this.#renewSecrets(keyIds[0] ?? "");
  }

  async #renewSecrets(key: string): Promise<number> {
    let renewed = 0;
    for (let after: string | undefined = FIRST; after;) {
      const factors = await this.#factors.listOthers(key, after, BATCH);
      const results = await Promise.all(factors.map((factor) => this.#renewSecret(factor)));
      renewed += results.filter(Boolean).length;
      after = factors.at(-1)?.account_id;
    }
    return renewed;
  }

  /** @returns false where another node has been faster, or the secret cannot be read */
  async #renewSecret(factor: StoredFactor): Promise<boolean> {
    const { account_id, secret } = factor;
    let text: string;
    try {
      text = this.#encryption.decrypt(secret, account_id);
    } catch {
      // moved or damaged: its owner cannot sign in, but all others shall
      return false;
    }
    return this.#factors.replaceSecret(factor, this.#encryption.encrypt(text, account_id));
  }

  async isEnabled(accountId: string): Promise<boolean> {
    const factor = await this.#factors.find(accountId);
    return Boolean(factor?.confirmed_at);
  }

  async state(accountId: string): Promise<{ enabled: boolean; recoveryCodesLeft: number }> {
    return {
      enabled: await this.isEnabled(accountId),
      recoveryCodesLeft: await this.#factors.countCodes(accountId),
    };
  }

  /**
   * A new secret, which is good for nothing until it is confirmed.
   *
   * @returns it in base32, and as a URI for a QR code
   * @throws CitadelError Conflict where there is a second factor
   */
  async propose({ id, username }: { id: string; username: string }) {
    const secret = generateSecret();
    if (!(await this.#factors.propose(id, this.#encryption.encrypt(secret, id))))
      throw new CitadelError("Conflict", {
        message: "This account has a second factor. Disable it first.",
      });
    return { secret, uri: generateURI({ issuer: this.#issuer, label: username, secret }) };
  }

  /**
   * The proposed secret, if this is a code of it.
   *
   * @throws CitadelError SecondFactorInvalid; NotFound where nothing waits to be confirmed
   */
  async check(accountId: string, otp: string): Promise<ShownFactor> {
    const factor = await this.#factors.find(accountId);
    if (!factor || factor.confirmed_at) throw noneProposed();
    const step = this.#stepOf(factor, otp);
    if (step === undefined) throw new CitadelError("SecondFactorInvalid");
    return { factor, step };
  }

  /**
   * Puts it into force.
   *
   * @returns the recovery codes, which nobody can read again
   * @throws CitadelError NotFound where it does not wait to be confirmed any more
   */
  async enable({ factor, step }: ShownFactor): Promise<string[]> {
    const codes = makeCodes();
    const hashes = codes.map((code) => hashOf(factor.account_id, code));
    if (!(await this.#factors.confirm(factor, step, hashes))) throw noneProposed();
    return codes;
  }

  /**
   * Uses up a code, or a recovery code.
   *
   * @throws CitadelError SecondFactorInvalid; NotFound where there is no second factor
   */
  async prove(accountId: string, otp: string): Promise<Proof> {
    const factor = await this.#factors.find(accountId);
    if (!factor?.confirmed_at) throw notEnabled();
    const step = this.#stepOf(factor, otp);
    if (step !== undefined && (await this.#factors.useStep(accountId, step))) return "code";
    if (await this.#factors.useCode(accountId, hashOf(accountId, otp))) return "recovery-code";
    throw new CitadelError("SecondFactorInvalid");
  }

  /** New recovery codes, in place of the old ones. */
  async renewCodes(accountId: string): Promise<string[]> {
    const codes = makeCodes();
    await this.#factors.replaceCodes(
      accountId,
      codes.map((code) => hashOf(accountId, code)),
    );
    return codes;
  }

  /** @throws CitadelError NotFound where there is none */
  async remove(accountId: string): Promise<void> {
    if (!(await this.#factors.remove(accountId))) throw notEnabled();
  }

  /** The time step whose code this is, if it is one. */
  #stepOf({ account_id, secret }: StoredFactor, otp: string): number | undefined {
    const token = normalise(otp);
    if (!/^\d{6}$/.test(token)) return undefined;
    const result = verifySync({
      secret: this.#encryption.decrypt(secret, account_id),
      token,
      period: PERIOD,
      epochTolerance: PERIOD,
    });
    return result.valid && "timeStep" in result ? result.timeStep : undefined;
  }
}

const makeCodes = () => Array.from({ length: RECOVERY_CODES }, makeRecoveryCode);

const keyMissing = (ids: readonly string[]) =>
  new Error(
    `Second factors in the database cannot be read: USERS_ENCRYPTION_KEY lacks the key ${ids.join(", ")} ` +
      "that they were stored with. Put that key back, on a line of its own behind a newer one. If it is " +
      "lost, delete what begins with its id in users.second_factors: until these accounts set up a second " +
      "factor anew, their passwords alone will do.",
  );

const notEnabled = () =>
  new CitadelError("NotFound", { message: "This account has no second factor." });

const noneProposed = () =>
  new CitadelError("NotFound", {
    message: "No second factor waits to be confirmed. Set one up first.",
  });
