import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type { RateLimiterAbstract } from "rate-limiter-flexible";
import type * as Otplib from "otplib";
import type { Kysely } from "kysely";
import type { Encryption } from "../../../lib/encryption.ts";
import { type LimitStore, makeLimiter, reserve } from "../../../lib/limits/counted-attempts.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { QueueLine } from "../../../lib/limits/fair-queue.ts";
import type { Account } from "../accounts/account.ts";
import { codeLimitMessage, recoveryCodeLimitMessage } from "../login/limit-messages.ts";
import { CODE_LIMITS } from "./code-limits.ts";
import {
  isRecoveryCode,
  makeRecoveryCodes,
  normalise,
  RecoveryCodeHashes,
} from "./recovery-codes.ts";
import { CodeGuessesRepository } from "./code-guesses.repository.ts";
import {
  type SecondFactorDatabase,
  SecondFactorRepository,
  type StoredFactor,
} from "./second-factor.repository.ts";
import type { Notifications } from "../notifications.ts";
import { contract } from "../users.contract.ts";
import { LIMITS } from "../users.limits.ts";

const require = createRequire(import.meta.url);

/** Loaded by the first code, since it takes memory and most accounts have no second factor. */
const otplib = () => require("otplib") as typeof Otplib;

/**
 * The length of a TOTP time step, in seconds (RFC 6238, 5.2). The code of the previous step is accepted as well, since
 * typing and sending one takes time; the code of the next step is not.
 */
const TIME_STEP = 30;

/** A proposed secret, and the time step of the code that verified it. */
export interface VerifiedProposal {
  readonly factor: StoredFactor;
  readonly step: number;
}

export interface VerifyOptions {
  /** The line of the client's network; recovery codes from a known address have a limit of their own. */
  readonly queueLine: QueueLine;
  /** Called at every `CODE_LIMITS.mailEvery`th wrong code, after the owner's mail is on its way. */
  readonly onGuesses: () => void;
}

interface SecondFactorOptions {
  readonly db: Kysely<SecondFactorDatabase>;
  readonly factors: SecondFactorRepository;
  readonly notifications: Notifications;
  readonly encryption: Encryption;
  /** The name of the application in an authenticator app. */
  readonly issuer: string;
  /** Counts wrong recovery codes. */
  readonly counters: LimitStore;
}

/** The second factor of accounts: TOTP (RFC 6238), with recovery codes for a lost device. */
export class SecondFactor {
  readonly #db: Kysely<SecondFactorDatabase>;
  readonly #factors: SecondFactorRepository;
  readonly #notifications: Notifications;
  readonly #encryption: Encryption;
  readonly #issuer: string;
  readonly #recoveryGuesses: RateLimiterAbstract;

  constructor({ db, factors, notifications, encryption, issuer, counters }: SecondFactorOptions) {
    this.#db = db;
    this.#factors = factors;
    this.#notifications = notifications;
    this.#encryption = encryption;
    this.#issuer = issuer;
    this.#recoveryGuesses = makeLimiter(counters, "recovery-code", LIMITS.recoveryCodes);
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
   * Creates a secret, which has no effect until it is confirmed.
   *
   * @returns the secret in base32, and as a URI for a QR code
   * @throws CitadelError Conflict if the account has a second factor
   */
  async propose({ id, username }: { id: string; username: string }) {
    const secret = otplib().generateSecret();
    if (!(await this.#factors.propose(id, this.#encryption.encrypt(secret, id))))
      throw new CitadelError("Conflict", {
        message: "This account has a second factor. Disable it first.",
      });
    return { secret, uri: otplib().generateURI({ issuer: this.#issuer, label: username, secret }) };
  }

  /**
   * Verifies a code of the proposed secret.
   *
   * @throws CitadelError SecondFactorInvalid; NotFound if no secret was proposed
   */
  async verifyProposal(accountId: string, otp: string): Promise<VerifiedProposal> {
    const factor = await this.#factors.find(accountId);
    if (!factor || factor.confirmed_at) throw noneProposed();
    const step = this.#stepOf(factor, otp);
    if (step === undefined) throw new ServiceError(contract, "SecondFactorInvalid");
    return { factor, step };
  }

  /**
   * Enables a second factor whose proposal was verified, and mails the owner.
   *
   * @returns the recovery codes, of which only hashes are stored
   * @throws CitadelError NotFound if the proposal was replaced or removed meanwhile
   */
  async enable(account: Account, { factor, step }: VerifiedProposal): Promise<string[]> {
    const codes = makeRecoveryCodes();
    const own = this.#hashesOf(factor);
    const isConfirmed = await this.#factors.confirm(factor, {
      step,
      hashes: codes.map((code) => own.of(code)),
      tell: (trx) => this.#notifications.notify(trx, account, "second-factor-enabled"),
    });
    if (!isConfirmed) throw noneProposed();
    return codes;
  }

  /**
   * Verifies a code or a recovery code, and uses it: it does not work again.
   *
   * @throws CitadelError SecondFactorInvalid; NotFound if there is no second factor; TooManyRequests with `retryAfter`
   * after too many wrong ones, before the code is verified
   */
  async verify(
    account: Account,
    otp: string,
    { queueLine, onGuesses }: VerifyOptions,
  ): Promise<"code" | "recovery-code"> {
    const factor = await this.#factors.find(account.id);
    if (!factor?.confirmed_at) throw notEnabled();
    if (isRecoveryCode(normalise(otp))) {
      await this.#verifyRecoveryCode(factor, otp, queueLine);
      return "recovery-code";
    }
    const { isRight, guesses } = await this.#tryCode(account, factor, otp);
    if (isRight) return "code";
    if (isMailed(guesses)) onGuesses();
    throw new ServiceError(contract, "SecondFactorInvalid");
  }

  /**
   * Counts a code as wrong, verifies it, and takes the count back if it is right. The first statement locks the row, so
   * that concurrent codes cannot exceed the limit.
   */
  async #tryCode(account: Account, factor: StoredFactor, otp: string) {
    return this.#db.transaction().execute(async (trx) => {
      const counts = new CodeGuessesRepository(trx);
      const guesses = await counts.count(account.id);
      if (guesses === undefined) {
        const retryAfter = await counts.retryAfter(account.id);
        throw new CitadelError("TooManyRequests", {
          message: codeLimitMessage(retryAfter),
          data: { retryAfter },
        });
      }
      const step = this.#stepOf(factor, otp);
      const isRight =
        step !== undefined && (await new SecondFactorRepository(trx).useStep(account.id, step));
      if (isRight) await counts.release(account.id);
      else if (isMailed(guesses))
        await this.#notifications.notify(trx, account, "second-factor-guessed");
      return { isRight, guesses };
    });
  }

  /** Recovery codes have a limit of their own, so that wrong codes of another person do not keep the owner out. */
  async #verifyRecoveryCode(
    factor: StoredFactor,
    code: string,
    { key: network, isKnown }: QueueLine,
  ): Promise<void> {
    const { account_id: id } = factor;
    const key = createHash("sha256").update(isKnown ? `${id} ${network}` : id);
    const counted = await reserve(this.#recoveryGuesses, key.digest("base64url")).catch(
      (error: unknown) => {
        if (!(error instanceof CitadelError)) throw error;
        const { retryAfter } = error.data as { retryAfter: number };
        const message = recoveryCodeLimitMessage(retryAfter);
        throw new CitadelError("TooManyRequests", { message, data: { retryAfter } });
      },
    );
    if (!(await this.#factors.useCode(id, this.#hashesOf(factor).of(code))))
      throw new ServiceError(contract, "SecondFactorInvalid");
    await counted.release();
  }

  /** Replaces the recovery codes, and mails the owner. @throws CitadelError NotFound if there is no second factor */
  async renewCodes(account: Account): Promise<string[]> {
    const factor = await this.#factors.find(account.id);
    if (!factor?.confirmed_at) throw notEnabled();
    const codes = makeRecoveryCodes();
    const own = this.#hashesOf(factor);
    await this.#factors.replaceCodes(
      account.id,
      codes.map((code) => own.of(code)),
      (trx) => this.#notifications.notify(trx, account, "recovery-codes-renewed"),
    );
    return codes;
  }

  /** @throws CitadelError NotFound if there is no second factor */
  async remove(accountId: string): Promise<void> {
    if (!(await this.#factors.remove(accountId))) throw notEnabled();
  }

  /** The time step of a code. @returns undefined if the code is wrong */
  #stepOf({ account_id, secret }: StoredFactor, otp: string): number | undefined {
    const token = normalise(otp);
    if (!/^\d{6}$/.test(token)) return undefined;
    const result = otplib().verifySync({
      secret: this.#encryption.decrypt(secret, account_id),
      token,
      period: TIME_STEP,
      // seconds before and after now
      epochTolerance: [TIME_STEP, 0],
    });
    return result.valid && "timeStep" in result ? result.timeStep : undefined;
  }

  #hashesOf({ account_id, secret }: StoredFactor): RecoveryCodeHashes {
    return new RecoveryCodeHashes(account_id, this.#encryption.decrypt(secret, account_id));
  }
}

const isMailed = (guesses: number) => guesses % CODE_LIMITS.mailEvery === 0;

const notEnabled = () =>
  new CitadelError("NotFound", { message: "This account has no second factor." });

const noneProposed = () =>
  new CitadelError("NotFound", {
    message: "There is no second factor to confirm. Set one up first.",
  });
