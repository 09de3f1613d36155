import { createHash } from "node:crypto";
import type { RateLimiterAbstract } from "rate-limiter-flexible";
import { generateSecret, generateURI, verifySync } from "otplib";
import type { Encryption } from "../../../lib/encryption.ts";
import { type LimitStore, makeLimiter, reserve } from "../../../lib/limits/counted-attempts.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { Place } from "../../../lib/limits/fair-queue.ts";
import {
  CODE_LIMITS,
  codesMessage,
  RECOVERY_CODE_LIMIT,
  recoveryCodesMessage,
} from "./guess-limits.ts";
import {
  isRecoveryCode,
  makeRecoveryCodes,
  normalise,
  RecoveryCodeHashes,
} from "./recovery-codes.ts";
import type { CodeGuessesRepository } from "./code-guesses.repository.ts";
import type { SecondFactorRepository, StoredFactor } from "./second-factor.repository.ts";
import { contract } from "../users.contract.ts";

/**
 * A time step of TOTP, in seconds (RFC 6238, 5.2). The code of the one before is accepted as well, for what it takes
 * to type and send it; no code of a step to come.
 */
const PERIOD = 30;

/** A proposed secret, and the time step of the code that was shown of it. */
export interface ShownFactor {
  readonly factor: StoredFactor;
  readonly step: number;
}

/** How a second factor was proved. */
export type Proof = "code" | "recovery-code";

/** From where a code comes, and what follows from wrong ones. */
export interface ProofOptions {
  readonly place: Place;
  /** Called after each so many wrong codes (`CODE_LIMITS.mailEvery`). */
  readonly onGuesses: () => void;
}

export interface SecondFactorParts {
  readonly factors: SecondFactorRepository;
  readonly guesses: CodeGuessesRepository;
  readonly encryption: Encryption;
  /** Whose account it is, as an authenticator shows it. */
  readonly issuer: string;
  /** Where wrong recovery codes are counted. */
  readonly counters: LimitStore;
}

/** The second factor of accounts: TOTP (RFC 6238), and recovery codes where that is lost. */
export class SecondFactor {
  readonly #factors: SecondFactorRepository;
  readonly #guesses: CodeGuessesRepository;
  readonly #encryption: Encryption;
  readonly #issuer: string;
  readonly #recoveryGuesses: RateLimiterAbstract;

  constructor({ factors, guesses, encryption, issuer, counters }: SecondFactorParts) {
    this.#factors = factors;
    this.#guesses = guesses;
    this.#encryption = encryption;
    this.#issuer = issuer;
    this.#recoveryGuesses = makeLimiter(counters, "recovery-code", RECOVERY_CODE_LIMIT);
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
    if (step === undefined) throw new ServiceError(contract, "SecondFactorInvalid");
    return { factor, step };
  }

  /**
   * Puts it into force.
   *
   * @returns the recovery codes, which nobody can read again
   * @throws CitadelError NotFound where it does not wait to be confirmed any more
   */
  async enable({ factor, step }: ShownFactor): Promise<string[]> {
    const codes = makeRecoveryCodes();
    const own = this.#hashesOf(factor);
    const hashes = codes.map((code) => own.of(code));
    if (!(await this.#factors.confirm(factor, step, hashes))) throw noneProposed();
    return codes;
  }

  /**
   * Uses up a code, or a recovery code.
   *
   * @throws CitadelError SecondFactorInvalid; NotFound where there is no second factor; TooManyRequests with
   * `retryAfter` after too many wrong ones: nothing was looked at
   */
  async prove(accountId: string, otp: string, { place, onGuesses }: ProofOptions): Promise<Proof> {
    const factor = await this.#factors.find(accountId);
    if (!factor?.confirmed_at) throw notEnabled();
    if (isRecoveryCode(normalise(otp))) {
      await this.#proveRecoveryCode(factor, otp, place);
      return "recovery-code";
    }
    await this.#proveCode(factor, otp, onGuesses);
    return "code";
  }

  async #proveCode(factor: StoredFactor, otp: string, onGuesses: () => void): Promise<void> {
    const { account_id: id } = factor;
    const guesses = await this.#guesses.count(id);
    if (guesses === undefined) {
      const retryAfter = await this.#guesses.retryAfter(id);
      throw new CitadelError("TooManyRequests", {
        message: codesMessage(retryAfter),
        data: { retryAfter },
      });
    }
    const step = this.#stepOf(factor, otp);
    if (step !== undefined && (await this.#factors.useStep(id, step)))
      return this.#guesses.release(id);
    if (guesses % CODE_LIMITS.mailEvery === 0) onGuesses();
    throw new ServiceError(contract, "SecondFactorInvalid");
  }

  /** Has a limit of its own: who has used up the other with wrong codes shall not keep the owner out. */
  async #proveRecoveryCode(factor: StoredFactor, code: string, place: Place): Promise<void> {
    const { account_id: id } = factor;
    const key = createHash("sha256").update(place.isKnown ? `${id} ${place.line}` : id);
    const counted = await reserve(this.#recoveryGuesses, key.digest("base64url")).catch(
      (error: unknown) => {
        if (!(error instanceof CitadelError)) throw error;
        const { retryAfter } = error.data as { retryAfter: number };
        const message = recoveryCodesMessage(retryAfter);
        throw new CitadelError("TooManyRequests", { message, data: { retryAfter } });
      },
    );
    if (!(await this.#factors.useCode(id, this.#hashesOf(factor).of(code))))
      throw new ServiceError(contract, "SecondFactorInvalid");
    await counted.release();
  }

  /** New recovery codes, in place of the old ones. @throws CitadelError NotFound where there is no second factor */
  async renewCodes(accountId: string): Promise<string[]> {
    const factor = await this.#factors.find(accountId);
    if (!factor?.confirmed_at) throw notEnabled();
    const codes = makeRecoveryCodes();
    const own = this.#hashesOf(factor);
    await this.#factors.replaceCodes(
      accountId,
      codes.map((code) => own.of(code)),
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
      // before, after
      epochTolerance: [PERIOD, 0],
    });
    return result.valid && "timeStep" in result ? result.timeStep : undefined;
  }

  #hashesOf({ account_id, secret }: StoredFactor): RecoveryCodeHashes {
    return new RecoveryCodeHashes(account_id, this.#encryption.decrypt(secret, account_id));
  }
}

const notEnabled = () =>
  new CitadelError("NotFound", { message: "This account has no second factor." });

const noneProposed = () =>
  new CitadelError("NotFound", {
    message: "No second factor waits to be confirmed. Set one up first.",
  });
