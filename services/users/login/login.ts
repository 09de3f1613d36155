import type { ServiceBroker } from "moleculer";
import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { Place } from "../../../lib/limits/fair-queue.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { audit } from "../../../middlewares/audit.ts";
import { partyOf } from "../accounts/account-reports.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { LoginLimits } from "./login-limits.ts";
import type { SecondFactor } from "../second-factor/second-factor.ts";
import type { Account, UsersRepository } from "../users.repository.ts";
import { contract } from "../users.contract.ts";

/** Where somebody proves who they are, and from where. */
export interface LoginContext {
  readonly broker: ServiceBroker;
  readonly meta: { readonly client?: Client };
}

export interface Credentials {
  readonly password: string;
  readonly otp?: string | undefined;
}

export interface LoginParts {
  readonly accounts: UsersRepository;
  readonly passwords: Passwords;
  readonly limits: LoginLimits;
  readonly secondFactor: SecondFactor;
  readonly mails: AccountMails;
  readonly warn: (message: string, error: unknown) => void;
}

/** The failures that are limited: guesses. */
const REASONS: Readonly<Record<string, string>> = {
  InvalidCredentials: "password",
  SecondFactorInvalid: "second-factor",
};

const reasonOf = (error: unknown) =>
  error instanceof CitadelError ? REASONS[error.type] : undefined;

/** Somebody who has signed in, as the account was then. */
export interface SignedIn {
  readonly account: Account;
  /** Did it have a second factor, which was proved? */
  readonly hasFactor: boolean;
}

/** An account that was removed while somebody signed in is one that nobody has. */
export function refuseGone(error: unknown): never {
  if (!(error instanceof CitadelError && error.type === "NotFound")) throw error;
  throw new CitadelError("InvalidCredentials", { cause: error });
}

/** How people prove who they are: with a password, and the second factor where there is one. */
export class Login {
  readonly #parts: LoginParts;

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /**
   * Who signs in with this name, password and code.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, TooManyRequests
   */
  async signIn(
    ctx: LoginContext,
    { username, ...credentials }: Credentials & { username: string },
  ): Promise<SignedIn> {
    const { accounts, passwords, secondFactor, limits } = this.#parts;
    const account = await accounts.findByLogin(username);
    const proved = await this.#limited(ctx, { account, login: username }, async (place) => {
      const { password, otp } = credentials;
      const isRight = await passwords.matches(password, account?.password_hash, place);
      if (!isRight || !account) throw new CitadelError("InvalidCredentials");
      const hasFactor = await secondFactor.isEnabled(account.id);
      if (hasFactor) await this.#proveFactor(ctx, account, otp, place).catch(refuseGone);
      return { account, hasFactor };
    });
    await limits.remember(proved.account.id, ctx.meta.client);
    void this.#renewHash(proved.account, credentials.password);
    return proved;
  }

  /**
   * Would who has signed in still do so? The password may be another by now, the account gone, or a
   * second factor asked for that was not there.
   */
  async isStillRight(
    { account: { id, password_hash }, hasFactor }: SignedIn,
    password: string,
  ): Promise<boolean> {
    const { accounts, passwords, secondFactor } = this.#parts;
    if (!hasFactor && (await secondFactor.isEnabled(id))) return false;
    const account = await accounts.find(id);
    // hashed anew it is still the same password
    return (
      account?.password_hash === password_hash ||
      passwords.matches(password, account?.password_hash)
    );
  }

  /**
   * Proves that the owner of an account asks: with the password, and the second factor where there is one.
   * Guesses are limited as those at the login.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorRequired, SecondFactorInvalid, TooManyRequests
   */
  async confirm(ctx: LoginContext, account: Account, credentials: Credentials): Promise<void> {
    if (await this.#parts.secondFactor.isEnabled(account.id))
      await this.confirmBoth(ctx, account, credentials);
    else await this.confirmPassword(ctx, account, credentials.password);
  }

  /**
   * Proves that it is still the owner of an account who asks; guesses are limited as those at the login.
   *
   * @throws CitadelError InvalidCredentials, TooManyRequests
   */
  async confirmPassword(ctx: LoginContext, account: Account, password: string): Promise<void> {
    await this.limited(ctx, account, (place) => this.#matchPassword(account, password, place));
  }

  /**
   * The same, with the second factor as well.
   *
   * @throws CitadelError InvalidCredentials, SecondFactorInvalid, NotFound (no factor), TooManyRequests
   */
  async confirmBoth(ctx: LoginContext, account: Account, { password, otp }: Credentials) {
    await this.limited(ctx, account, async (place) => {
      await this.#matchPassword(account, password, place);
      await this.#proveFactor(ctx, account, otp, place);
    });
  }

  /**
   * Runs what may fail because something was guessed wrong: such failures count, and too many of them
   * keep it from running.
   */
  async limited<T>(
    ctx: LoginContext,
    account: Account,
    prove: (place: Place) => Promise<T>,
  ): Promise<T> {
    return this.#limited(ctx, { account, login: account.username }, prove);
  }

  async #limited<T>(
    ctx: LoginContext,
    { account, login }: { account: Account | undefined; login: string },
    prove: (place: Place) => Promise<T>,
  ): Promise<T> {
    // an unknown name may be a password, typed into the wrong field
    const subject = account ? partyOf(account) : {};
    return this.#parts.limits.run(
      { account, login, client: ctx.meta.client },
      {
        isFailure: (error) => {
          const reason = reasonOf(error);
          if (reason) audit(ctx, { event: "login.failed", subject, data: { reason } });
          return reason !== undefined;
        },
        onLimit: (limit) => audit(ctx, { event: "login.limited", subject, data: { limit } }),
      },
      prove,
    );
  }

  async #matchPassword(account: Account, password: string, place: Place): Promise<void> {
    if (!(await this.#parts.passwords.matches(password, account.password_hash, place)))
      throw new CitadelError("InvalidCredentials", { message: "The password is wrong." });
  }

  async #proveFactor(
    ctx: LoginContext,
    account: Account,
    otp: string | undefined,
    place: Place,
  ): Promise<void> {
    const { secondFactor, mails } = this.#parts;
    if (otp === undefined) {
      // no guess, but whoever asks knows the password
      audit(ctx, { event: "second-factor.required", subject: partyOf(account) });
      throw new ServiceError(contract, "SecondFactorRequired");
    }
    const onGuesses = () => {
      const data = { limit: "second-factor" };
      audit(ctx, { event: "login.limited", subject: partyOf(account), data });
      mails.codesGuessed(account);
    };
    const proof = await secondFactor.prove(account.id, otp, { place, onGuesses });
    if (proof === "recovery-code")
      audit(ctx, { event: "recovery-code.used", actor: partyOf(account) });
  }

  /** Hashes a password anew where the cost has been raised, unless it was changed meanwhile. */
  async #renewHash({ id, password_hash }: Account, password: string): Promise<void> {
    const { accounts, passwords, warn } = this.#parts;
    try {
      const hash = await passwords.renew(password, password_hash);
      if (hash) await accounts.replaceHash(id, password_hash, hash);
    } catch (error) {
      // the next login tries again
      warn("A password could not be hashed anew.", error);
    }
  }
}
