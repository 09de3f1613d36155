import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/context/attachment.ts";
import type { Caller, ResultOf } from "../../lib/contract/calls.ts";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import { Encryption } from "../../lib/encryption.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { mailWarning } from "./mail/mailer.ts";
import { widestKeyOf } from "../../lib/network/address.ts";
import { Passwords } from "./passwords/passwords.ts";
import { checkPassword } from "./passwords/password-rules.ts";
import { Turns } from "../../lib/limits/turns.ts";
import { audit } from "../../middlewares/audit.ts";
import { reverifyAccessToken } from "../../middlewares/auth/index.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { every, timers } from "../../mixins/timers.ts";
import { expiryOfUnverified, found, mustHaveExpired } from "./accounts/account-rules.ts";
import { partyOf, removeAccount } from "./accounts/account-reports.ts";
import { AccountMails } from "./mail/account-mails.ts";
import { CodeGuessesRepository } from "./second-factor/code-guesses.repository.ts";
import { emailActions } from "./mail/email-address.actions.ts";
import { ensureAdministrator } from "./administration/first-administrator.ts";
import {
  type KnownAddressesDatabase,
  KnownAddressesRepository,
} from "./login/known-addresses.repository.ts";
import { MailLimits } from "./mail/mail-limits.ts";
import { LoginLimits } from "./login/login-limits.ts";
import { type Credentials, Login, type LoginContext, refuseGone } from "./login/login.ts";
import { managementActions } from "./administration/administration.actions.ts";
import { passwordActions } from "./passwords/password.actions.ts";
import { profileActions } from "./accounts/profile.actions.ts";
import { mustNotBeReserved } from "./accounts/reserved-usernames.ts";
import { permissionsOfRoles } from "./roles.ts";
import { secondFactorActions } from "./second-factor/second-factor.actions.ts";
import { renewStoredFactors } from "./second-factor/key-rotation.ts";
import {
  type SecondFactorDatabase,
  SecondFactorRepository,
} from "./second-factor/second-factor.repository.ts";
import { SecondFactor } from "./second-factor/second-factor.ts";
import type { Names } from "./accounts/unique-fields.ts";
import { contract } from "./users.contract.ts";
import { UsersRepository, type UsersDatabase } from "./users.repository.ts";
import { toUser } from "./accounts/visible-fields.ts";

/** How many of one network are registered at once: others' logins wait behind so many, not behind all. */
const REGISTRATIONS = 2;
/** How many more of one network wait their turn: as many as get it before their requests are given up. */
const MAX_WAITING = 48;

/** How often expired accounts are removed, in milliseconds, and how many at once; several nodes may do so at once. */
const EXPIRY_INTERVAL = 600_000;
const EXPIRED_AT_ONCE = 1_000;

/** How long a node that stops waits for mails, in milliseconds. */
const PATIENCE = 3_000;

/** Accounts, passwords, second factors and roles. */
export default class UsersService extends Service {
  declare db: Kysely<UsersDatabase & KnownAddressesDatabase & SecondFactorDatabase>;
  declare accounts: UsersRepository;
  declare passwords: Passwords;
  declare limits: LoginLimits;
  declare secondFactor: SecondFactor;
  declare login: Login;
  declare mails: AccountMails;
  declare mailLimits: MailLimits;
  declare registrations: Turns;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const allPermissions = permissionsOf(loadContracts());

    /** Signs somebody in who proves with password and second factor who they are. */
    const openSession = async (
      ctx: LoginContext & Caller,
      credentials: Credentials & { username: string },
    ) => {
      const signedIn = await this.login.signIn(ctx, credentials);
      const { account } = signedIn;
      const session = { userId: account.id, sessionId: randomUUID() };
      const answer = await ctx.call("auth.generateToken", session).catch(refuseGone);
      // what changed meanwhile has ended only the sessions that were there before
      if (!(await this.login.isStillRight(signedIn, credentials.password))) {
        await ctx.call("auth.endSessions", { userId: account.id, only: session.sessionId });
        throw new CitadelError("InvalidCredentials");
      }
      audit(ctx, { event: "login.succeeded", actor: partyOf(account) });
      return answer;
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            register: async (ctx, once) => {
              // an account without a session would keep its owner from registering again
              await ctx.call("auth.ready");
              mustNotBeReserved(ctx.params.username);
              const { client } = ctx.meta;
              const registered = await once(async () => {
                const { username } = ctx.params;
                const expiresAt = expiryOfUnverified(config.smtpUrl);
                const account = await this.mailLimits.registration(client, () =>
                  this.registrations.run(widestKeyOf(client?.address ?? ""), () =>
                    this.insert(ctx.params, { free: { username }, expiresAt }),
                  ),
                );
                const self = partyOf(account);
                audit(ctx, { event: "account.registered", actor: self, subject: self });
                await this.limits.remember(account.id, client);
                await ctx.emit("user.created", { id: account.id, username: account.username });
                return account;
              });
              // a repeat has the password; it may have changed since
              if (!registered) return openSession(ctx, ctx.params);
              return ctx.call("auth.generateToken", { userId: registered.id });
            },

            login: (ctx) => openSession(ctx, ctx.params),

            confirm: async (ctx) => {
              const { sub, sid: id } = ctx.locals.user;
              const { currentPassword: password, otp } = ctx.params;
              const account = found(await this.accounts.find(sub));
              await this.login.confirm(ctx, account, { password, otp });
              await ctx.call("auth.confirmSession", { id });
            },

            ...secondFactorActions(allPermissions, () => ({
              accounts: this.accounts,
              login: this.login,
              mails: this.mails,
              secondFactor: this.secondFactor,
            })),

            ...passwordActions(() => ({
              accounts: this.accounts,
              mails: this.mails,
              mailLimits: this.mailLimits,
              limits: this.limits,
              login: this.login,
              passwords: this.passwords,
            })),

            ...emailActions(() => ({ accounts: this.accounts, mails: this.mails })),

            ...profileActions(() => ({
              accounts: this.accounts,
              mails: this.mails,
              mailLimits: this.mailLimits,
              login: this.login,
            })),

            search: (ctx) =>
              this.accounts.list(ctx.params, (account) => toUser(account, ctx.locals.user)),

            get: async (ctx) =>
              toUser(found(await this.accounts.find(ctx.params.id)), ctx.locals.user),

            create: async (ctx) => {
              const { username, email } = ctx.params;
              const account = await this.insert(ctx.params, {
                free: { username, email },
                check: () => reverifyAccessToken(ctx),
              });
              audit(ctx, { event: "account.created", subject: partyOf(account) });
              await ctx.emit("user.created", { id: account.id, username: account.username });
              return toUser(account, ctx.locals.user);
            },

            ...managementActions(allPermissions, () => ({
              accounts: this.accounts,
              mails: this.mails,
              passwords: this.passwords,
            })),

            posts: async (ctx) => {
              const { id, ...page } = ctx.params;
              if (id !== undefined) found(await this.accounts.find(id));
              return ctx.call("posts.list", { ...page, authorId: id });
            },

            list: (ctx) => this.accounts.list(ctx.params, ({ id, username }) => ({ id, username })),

            name: async (ctx) => {
              const { username } = found(await this.accounts.find(ctx.params.id));
              return { username };
            },

            identity: async (ctx) => {
              const { id, username, email, roles, subject_type } = found(
                await this.accounts.find(ctx.params.id),
              );
              const permissions = permissionsOfRoles(roles, allPermissions);
              const subjectType = subject_type as ResultOf<"users.identity">["subjectType"];
              return { id, username, email, roles, permissions, subjectType };
            },
          },
        },
        {
          mixins: [
            database({ schema: "users", migrations: join(import.meta.dirname, "migrations") }),
            timers,
          ],
          started: async () => {
            this.accounts = new UsersRepository(this.db);
            this.passwords = new Passwords(config.bcryptCost);
            const counters = { db: this.db, schema: "users", table: "login_limits" };
            this.limits = new LoginLimits(counters, new KnownAddressesRepository(this.db));
            this.mailLimits = new MailLimits(counters);
            this.registrations = new Turns(REGISTRATIONS, MAX_WAITING);
            const factors = new SecondFactorRepository(this.db);
            const encryption = new Encryption(config.secret("users", "encryption_key") ?? "");
            this.secondFactor = new SecondFactor({
              factors,
              guesses: new CodeGuessesRepository(this.db),
              encryption,
              issuer: URL.parse(config.issuer)?.hostname ?? config.issuer,
              counters,
            });
            const renewed = await renewStoredFactors(factors, encryption);
            if (renewed > 0)
              this.logger.info(
                `Second factors encrypted anew, with the first USERS_ENCRYPTION_KEY: ${renewed}`,
              );
            this.mails = new AccountMails(config, this.accounts, this.logger, this.mailLimits);
            this.login = new Login({
              accounts: this.accounts,
              passwords: this.passwords,
              limits: this.limits,
              secondFactor: this.secondFactor,
              mails: this.mails,
              warn: (message, error) => this.logger.warn(message, error),
            });
            const warning = await mailWarning(config);
            if (warning) this.logger.warn(warning);
            await ensureAdministrator(config, this.accounts, this.passwords, (message) =>
              this.logger.warn(message),
            );
            every(this, EXPIRY_INTERVAL, () => this.removeExpired());
          },
          async stopped() {
            await this.mails?.close(PATIENCE);
            await this.passwords?.close();
          },
        },
      ),
    );
  }

  /**
   * @param free what nobody else may have: another account's address is never told to who registers
   * @param check refuses by throwing, when nothing is left but to write
   */
  private async insert(
    given: { username: string; email: string; password: string },
    {
      free,
      check,
      expiresAt,
    }: { free: Names; check?: () => Promise<void>; expiresAt?: Date | undefined },
  ) {
    const { password, ...rest } = given;
    // a hash is dear: what can be refused without one is refused first
    checkPassword(password, rest);
    await this.accounts.mustBeFree(free);
    const passwordHash = await this.passwords.hash(password, rest);
    await check?.();
    const account = await this.accounts.insert({
      ...rest,
      passwordHash,
      roles: ["user"],
      subjectType: "EndUserAccount",
      expiresAt,
    });
    this.mails.verify(account);
    return account;
  }

  /** Removes accounts whose owners registered them and never verified an address. */
  async removeExpired(): Promise<void> {
    const ctx = ownContext(this);
    for (const account of await this.accounts.expired(EXPIRED_AT_ONCE))
      // verified meanwhile, or removed by another node
      await removeAccount(ctx, this.accounts, account, mustHaveExpired).catch(ignoreNotFound);
  }

  /** Signs somebody in without a password: for the REPL, which runs in this process. */
  async signIn(login: string): Promise<ResultOf<"auth.generateToken">> {
    const account = found(await this.accounts.findByLogin(login));
    return ownContext(this).call("auth.generateToken", { userId: account.id });
  }

  /** What decides what somebody may do, for the REPL. */
  async subjectOf(login: string) {
    const account = await this.accounts.findByLogin(login);
    return (
      account && {
        permissions: permissionsOfRoles(account.roles, permissionsOf(loadContracts())),
        subjectType: account.subject_type,
      }
    );
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof CitadelError && error.type === "NotFound")) throw error;
}
