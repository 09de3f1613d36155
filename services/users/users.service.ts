import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/attachment.ts";
import type { Caller, ResultOf } from "../../lib/contract.ts";
import { loadContracts, permissionsOf } from "../../lib/contracts.ts";
import { Encryption } from "../../lib/encryption.ts";
import { CitadelError } from "../../lib/errors.ts";
import { mailWarning } from "../../lib/mailer.ts";
import { limitKeyOf } from "../../lib/network/address.ts";
import { Passwords } from "../../lib/passwords/passwords.ts";
import { checkPassword } from "../../lib/passwords/rules.ts";
import { Turns } from "../../lib/turns.ts";
import { audit } from "../../middlewares/audit.ts";
import { mustStillHold } from "../../middlewares/auth/index.ts";
import { implement, ownContext } from "../../mixins/contract.ts";
import { database } from "../../mixins/database.ts";
import { partyOf } from "./account-changes.ts";
import { AccountMails } from "./account-mails.ts";
import { ensureAdministrator } from "./first-administrator.ts";
import {
  type KnownAddressesDatabase,
  KnownAddressesRepository,
} from "./known-addresses.repository.ts";
import { MailLimits } from "./mail-limits.ts";
import { LoginLimits } from "./login-limits.ts";
import { type Credentials, Login, type LoginContext, refuseGone } from "./login.ts";
import { managementActions } from "./management.actions.ts";
import { passwordActions } from "./password.actions.ts";
import { profileActions } from "./profile.actions.ts";
import { permissionsOfRoles } from "./roles.ts";
import { secondFactorActions } from "./second-factor.actions.ts";
import { type SecondFactorDatabase, SecondFactorRepository } from "./second-factor.repository.ts";
import { SecondFactor } from "./second-factor.ts";
import { contract } from "./users.contract.ts";
import { found, UsersRepository, type UsersDatabase } from "./users.repository.ts";
import { toUser } from "./viewing.ts";

/** How many of one address are registered at once: others' logins wait behind so many, not behind all. */
const REGISTRATIONS = 2;
/** How many more of one address wait their turn: as many as get it before their requests are given up. */
const MAX_WAITING = 48;

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
      const session = { userId: account.id, id: randomUUID() };
      const answer = await ctx.call("auth.createSession", session).catch(refuseGone);
      // what changed meanwhile has ended only the sessions that were there before
      if (!(await this.login.isStillRight(signedIn, credentials.password))) {
        await ctx.call("auth.endSessions", { userId: account.id, only: session.id });
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
              // is it there? An account without a session would keep its owner from trying again
              await ctx.call("auth.jwks");
              const registered = await once(async () => {
                const address = limitKeyOf(ctx.meta.client?.address ?? "");
                const account = await this.registrations.run(address, () =>
                  this.insert(ctx.params),
                );
                const self = partyOf(account);
                audit(ctx, { event: "account.registered", actor: self, subject: self });
                await this.limits.remember(account.id, ctx.meta.client);
                await ctx.emit("user.created", { id: account.id, username: account.username });
                return account;
              });
              // a repeat has the password; it may have changed since
              if (!registered) return openSession(ctx, ctx.params);
              return ctx.call("auth.createSession", { userId: registered.id });
            },

            login: (ctx) => openSession(ctx, ctx.params),

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
              login: this.login,
              passwords: this.passwords,
            })),

            verifyEmail: async (ctx) => {
              const { token } = ctx.params;
              const { after } = await this.accounts.changeByLink(token, "verify-email", () => ({
                emailVerified: true,
              }));
              const self = partyOf(after);
              audit(ctx, { event: "email.verified", actor: self, subject: self });
            },

            resendVerification: async (ctx) => {
              const account = found(await this.accounts.find(ctx.locals.user.sub));
              if (account.email_verified_at) return;
              if (!(await this.mails.sendLink(account, "verify-email")))
                throw new CitadelError("TooManyRequests", { data: { retryAfter: 3_600 } });
            },

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
              const account = await this.insert(ctx.params, () => mustStillHold(ctx));
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
          ],
          started: async () => {
            this.accounts = new UsersRepository(this.db);
            this.passwords = new Passwords(config.bcryptCost);
            const counters = { db: this.db, schema: "users", table: "login_limits" };
            this.limits = new LoginLimits(counters, new KnownAddressesRepository(this.db));
            this.mailLimits = new MailLimits(counters);
            this.registrations = new Turns(REGISTRATIONS, MAX_WAITING);
            this.secondFactor = new SecondFactor(
              new SecondFactorRepository(this.db),
              new Encryption(config.secret("users", "encryption_key") ?? ""),
              URL.parse(config.issuer)?.hostname ?? config.issuer,
            );
            const renewed = await this.secondFactor.open();
            if (renewed > 0)
              this.logger.info(
                `Second factors encrypted anew, with the first USERS_ENCRYPTION_KEY: ${renewed}`,
              );
            this.login = new Login({
              accounts: this.accounts,
              passwords: this.passwords,
              limits: this.limits,
              secondFactor: this.secondFactor,
              warn: (message, error) => this.logger.warn(message, error),
            });
            this.mails = new AccountMails(config, this.accounts, this.logger);
            const warning = await mailWarning(config);
            if (warning) this.logger.warn(warning);
            await ensureAdministrator(config, this.accounts, this.passwords, (message) =>
              this.logger.warn(message),
            );
          },
          async stopped() {
            await this.mails?.close(PATIENCE);
            await this.passwords?.close();
          },
        },
      ),
    );
  }

  /** @param check refuses by throwing, when nothing is left but to write */
  private async insert(
    given: { username: string; email: string; password: string },
    check?: () => Promise<void>,
  ) {
    const { password, ...rest } = given;
    // a hash is dear: what can be refused without one is refused first
    checkPassword(password, rest);
    await this.accounts.mustBeFree(rest);
    const passwordHash = await this.passwords.hash(password, rest);
    await check?.();
    const account = await this.accounts.insert({
      ...rest,
      passwordHash,
      roles: ["user"],
      subjectType: "EndUserAccount",
    });
    this.mails.verify(account);
    return account;
  }

  /** Signs somebody in without a password: for the REPL, which runs in this process. */
  async signIn(login: string): Promise<ResultOf<"auth.createSession">> {
    const account = found(await this.accounts.findByLogin(login));
    return ownContext(this).call("auth.createSession", { userId: account.id });
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
