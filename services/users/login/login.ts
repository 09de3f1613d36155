import type { ServiceBroker } from "moleculer";
import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { QueueLine } from "../../../lib/limits/fair-queue.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { Account } from "../accounts/account.ts";
import { partyOf } from "../accounts/account-audit.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { SecondFactor } from "../second-factor/second-factor.ts";
import { contract } from "../users.contract.ts";
import type { UsersRepository } from "../users.repository.ts";
import type { LoginLimits } from "./login-limits.ts";

/** The parts of an action's context that a login uses. */
export interface LoginContext {
  readonly broker: ServiceBroker;
  readonly meta: { readonly client?: Client };
}

export interface Credentials {
  readonly password: string;
  readonly otp?: string | undefined;
}

interface LoginOptions {
  readonly accounts: UsersRepository;
  readonly passwords: Passwords;
  readonly limits: LoginLimits;
  readonly secondFactor: SecondFactor;
  readonly warn: (message: string, error: unknown) => void;
}

/** The errors that count as wrong guesses, with the reason in the audit trail. */
const REASONS: Readonly<Record<string, string>> = {
  InvalidCredentials: "password",
  SecondFactorInvalid: "second-factor",
};

const reasonOf = (error: unknown) =>
  error instanceof CitadelError ? REASONS[error.type] : undefined;

/** An account whose credentials were right, as it was then. */
export interface VerifiedAccount {
  readonly account: Account;
  /** Did it have a second factor, which was verified, too? */
  readonly hasFactor: boolean;
}

/** Fails the login of an account that was removed meanwhile with the error of an unknown account. */
export function refuseRemoved(error: unknown): never {
  if (!(error instanceof CitadelError && error.type === "NotFound")) throw error;
  throw new CitadelError("InvalidCredentials", { cause: error });
}

/** Verifies passwords, and the second factor of accounts that have one. Wrong guesses are limited and audited. */
export class Login {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /**
   * Verifies the credentials of a login.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, TooManyRequests
   */
  async verify(
    ctx: LoginContext,
    { username, ...credentials }: Credentials & { username: string },
  ): Promise<VerifiedAccount> {
    const { accounts, passwords, secondFactor, limits } = this.#options;
    const account = await accounts.findByLogin(username);
    const verified = await this.#limited(ctx, { account, login: username }, async (queueLine) => {
      const { password, otp } = credentials;
      const isRight = await passwords.matches(password, account?.password_hash, queueLine);
      if (!isRight || !account) throw new CitadelError("InvalidCredentials");
      const hasFactor = await secondFactor.isEnabled(account.id);
      if (hasFactor) await this.#verifyFactor(ctx, account, otp, queueLine).catch(refuseRemoved);
      return { account, hasFactor };
    });
    await limits.remember(verified.account.id, ctx.meta.client);
    void this.#renewHash(verified.account, credentials.password);
    return verified;
  }

  /**
   * Are credentials that were verified still valid? Meanwhile the password may have changed, the account may have been
   * removed, or a second factor may have been enabled that was not verified.
   */
  async isStillValid(
    { account: { id, password_hash }, hasFactor }: VerifiedAccount,
    password: string,
  ): Promise<boolean> {
    const { accounts, passwords, secondFactor } = this.#options;
    if (!hasFactor && (await secondFactor.isEnabled(id))) return false;
    const account = await accounts.find(id);
    // another hash may be of the same password, if the cost was raised
    return (
      account?.password_hash === password_hash ||
      passwords.matches(password, account?.password_hash)
    );
  }

  /**
   * Verifies the password of a signed-in user again, and the second factor if the account has one. Wrong guesses count
   * as those at the login.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, TooManyRequests
   */
  async confirm(ctx: LoginContext, account: Account, credentials: Credentials): Promise<void> {
    if (await this.#options.secondFactor.isEnabled(account.id))
      await this.confirmBoth(ctx, account, credentials);
    else await this.confirmPassword(ctx, account, credentials.password);
  }

  /**
   * Verifies the password of a signed-in user again.
   *
   * @throws CitadelError InvalidCredentials, TooManyRequests
   */
  async confirmPassword(ctx: LoginContext, account: Account, password: string): Promise<void> {
    await this.limited(ctx, account, (queueLine) =>
      this.#verifyPassword(account, password, queueLine),
    );
  }

  /**
   * Verifies the password and the second factor of a signed-in user again.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, NotFound if there is no second
   * factor, TooManyRequests
   */
  async confirmBoth(ctx: LoginContext, account: Account, { password, otp }: Credentials) {
    await this.limited(ctx, account, async (queueLine) => {
      await this.#verifyPassword(account, password, queueLine);
      await this.#verifyFactor(ctx, account, otp, queueLine);
    });
  }

  /**
   * Runs a check of an account's password or code within the login limits.
   *
   * @throws CitadelError TooManyRequests, before `check` runs; and what `check` throws
   */
  async limited<T>(
    ctx: LoginContext,
    account: Account,
    check: (queueLine: QueueLine) => Promise<T>,
  ): Promise<T> {
    return this.#limited(ctx, { account, login: account.username }, check);
  }

  async #limited<T>(
    ctx: LoginContext,
    { account, login }: { account: Account | undefined; login: string },
    check: (queueLine: QueueLine) => Promise<T>,
  ): Promise<T> {
    // an unknown name is not recorded: it may be a password in the wrong field
    const subject = account ? partyOf(account) : {};
    return this.#options.limits.run(
      { account, login, client: ctx.meta.client },
      {
        isFailure: (error) => {
          const reason = reasonOf(error);
          if (reason) audit(ctx, { event: "login.failed", subject, data: { reason } });
          return reason !== undefined;
        },
        onLimit: (limit) => audit(ctx, { event: "login.limited", subject, data: { limit } }),
      },
      check,
    );
  }

  async #verifyPassword(account: Account, password: string, queueLine: QueueLine): Promise<void> {
    if (!(await this.#options.passwords.matches(password, account.password_hash, queueLine)))
      throw new CitadelError("InvalidCredentials", { message: "The password is wrong." });
  }

  async #verifyFactor(
    ctx: LoginContext,
    account: Account,
    otp: string | undefined,
    queueLine: QueueLine,
  ): Promise<void> {
    const { secondFactor } = this.#options;
    if (otp === undefined) {
      // not a wrong guess, but the client knows the password
      audit(ctx, { event: "second-factor.required", subject: partyOf(account) });
      throw new ServiceError(contract, "SecondFactorRequired");
    }
    const onGuesses = () => {
      const data = { limit: "second-factor" };
      audit(ctx, { event: "login.limited", subject: partyOf(account), data });
    };
    const used = await secondFactor.verify(account, otp, { queueLine, onGuesses });
    if (used === "recovery-code")
      audit(ctx, { event: "recovery-code.used", actor: partyOf(account) });
  }

  /** Replaces a hash with a lower cost than the current one, unless the password has changed meanwhile. */
  async #renewHash({ id, password_hash }: Account, password: string): Promise<void> {
    const { accounts, passwords, warn } = this.#options;
    try {
      const hash = await passwords.rehash(password, password_hash);
      if (hash) await accounts.replaceHash(id, password_hash, hash);
    } catch (error) {
      warn("A password could not be hashed with the current cost; the next login retries.", error);
    }
  }
}
