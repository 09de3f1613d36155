import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf, contractsOf } from "../../lib/context/attachment.ts";
import { grantablePermissions } from "../../lib/access/grantable.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import type { ResultOf } from "../../lib/contract/calls.ts";
import type { Events, Jobs } from "../../lib/contract/durable.ts";
import { implement } from "../../lib/contract/implement.ts";
import { deleteOldRequests } from "../../lib/database/idempotency.ts";
import { purgeAll } from "../../lib/database/purge.ts";
import type { KeyedConcurrencyLimit } from "../../lib/limits/keyed-concurrency-limit.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { removeExpiredAccounts } from "./accounts/account-removal.ts";
import { mustExist } from "./accounts/account-rules.ts";
import { lookupActions } from "./accounts/lookup.actions.ts";
import { profileActions } from "./accounts/profile.actions.ts";
import { registrationActions } from "./accounts/registration.actions.ts";
import { administrationActions } from "./administration/administration.actions.ts";
import { subjectTypeFor } from "./administration/administration-rules.ts";
import { ensureAdministrator } from "./administration/first-administrator.ts";
import { type AllTables, createComponents, type UsersComponents } from "./components.ts";
import { loginActions } from "./login/login.actions.ts";
import type { LoginLimits } from "./login/login-limits.ts";
import type { Login } from "./login/login.ts";
import type { AccountLinks } from "./mail/account-links.ts";
import type { AccountMails } from "./mail/account-mails.ts";
import { emailAddressActions } from "./mail/email-address.actions.ts";
import type { MailLimits } from "./mail/mail-limits.ts";
import { mailJobs } from "./mail/mail.jobs.ts";
import { type Mailer, mailWarning } from "./mail/mailer.ts";
import { passwordActions } from "./passwords/password.actions.ts";
import type { Passwords } from "./passwords/passwords.ts";
import { roleActions, roleJobs } from "./roles/roles.actions.ts";
import type { RolesRepository } from "./roles/roles.repository.ts";
import { secondFactorActions } from "./second-factor/second-factor.actions.ts";
import type { SecondFactor } from "./second-factor/second-factor.ts";
import { contract } from "./users.contract.ts";
import type { UsersRepository } from "./users.repository.ts";

/** Accounts, logins, passwords, second factors and roles. */
export default class UsersService extends Service implements UsersComponents {
  declare db: Kysely<AllTables>;
  declare jobs: Jobs<typeof contract>;
  declare events: Events<typeof contract>;
  declare accounts: UsersRepository;
  declare links: AccountLinks;
  declare login: Login;
  declare loginLimits: LoginLimits;
  declare mailer: Mailer;
  declare mailLimits: MailLimits;
  declare mails: AccountMails;
  declare passwords: Passwords;
  declare registrations: KeyedConcurrencyLimit;
  declare roles: RolesRepository;
  declare secondFactor: SecondFactor;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const contracts = contractsOf(broker);
    const grantable = grantablePermissions(contracts, "role", config);
    const components = () => this;

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            ...registrationActions(config.smtpUrl, components),
            ...loginActions(components),
            ...secondFactorActions(components),
            ...passwordActions(components),
            ...emailAddressActions(components),
            ...profileActions(components),
            ...lookupActions(components),
            ...administrationActions(components),
            ...roleActions(contracts, config, components),
          },
          jobs: {
            ...mailJobs(components),
            ...roleJobs(components),
            removeExpiredAccounts: (ctx) =>
              removeExpiredAccounts(ctx, this.accounts, ctx.job.signal),
            purge: () => this.purge(),
          },
        },
        {
          mixins: [
            queue(contract),
            // after the queue has stopped, whose jobs deliver mails; undefined if the start failed
            { stopped: () => this.mailer?.close() },
            database({ schema: "users", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: async () => {
            const { db, jobs, events, logger } = this;
            Object.assign(
              this,
              await createComponents({ db, jobs, events, config, grantable, logger }),
            );
            const warning = await mailWarning(config);
            if (warning) this.logger.warn(warning);
            for (const role of await this.roles.hidden())
              this.logger.warn(
                { role },
                "A built-in role has the name of a stored role, and takes its place.",
              );
            await ensureAdministrator(config, this.accounts, this.passwords, (message) =>
              this.logger.warn(message),
            );
          },
          stopped: async () => {
            // undefined if the start failed
            await this.passwords?.close();
          },
        },
      ),
    );
  }

  /** Deletes what has expired. */
  async purge(): Promise<void> {
    await purgeAll([() => this.links.purge(), () => deleteOldRequests(this.db)]);
  }

  /** Begins a session without a password, for the REPL of this process. */
  async signIn(login: string): Promise<ResultOf<"auth.generateToken">> {
    const account = mustExist(await this.accounts.findByLogin(login));
    return ownContext(this).call("auth.generateToken", { userId: account.id });
  }

  /** The permissions, the roles and the subject type of an account, for the REPL. */
  async subjectOf(login: string) {
    const account = await this.accounts.findByLogin(login);
    if (!account) return undefined;
    const { roles, subject_type: subjectType } = account;
    return {
      permissions: (await this.roles.known(roles)).permissionsOf(roles),
      roles,
      subjectType,
    };
  }

  /** The permissions of a role and the subject type of an account that has it alone, for the REPL. */
  async subjectOfRole(name: string) {
    const known = await this.roles.known([name]);
    if (!known.has(name)) return undefined;
    return {
      permissions: known.permissionsOf([name]),
      roles: [name],
      subjectType: subjectTypeFor("EndUserAccount", [name], known),
    };
  }
}
