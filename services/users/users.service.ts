import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/context/attachment.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { implement } from "../../lib/contract/implement.ts";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import type { KeyedConcurrencyLimit } from "../../lib/limits/keyed-concurrency-limit.ts";
import { database } from "../../mixins/database.ts";
import { every, timers } from "../../mixins/timers.ts";
import { removeExpiredAccounts } from "./accounts/account-removal.ts";
import { mustExist } from "./accounts/account-rules.ts";
import { lookupActions } from "./accounts/lookup.actions.ts";
import { profileActions } from "./accounts/profile.actions.ts";
import { registrationActions } from "./accounts/registration.actions.ts";
import { administrationActions } from "./administration/administration.actions.ts";
import { ensureAdministrator } from "./administration/first-administrator.ts";
import { type AllTables, createComponents, type UsersComponents } from "./components.ts";
import { loginActions } from "./login/login.actions.ts";
import type { LoginLimits } from "./login/login-limits.ts";
import type { Login } from "./login/login.ts";
import type { AccountLinks } from "./mail/account-links.ts";
import type { AccountMails } from "./mail/account-mails.ts";
import { emailAddressActions } from "./mail/email-address.actions.ts";
import type { MailLimits } from "./mail/mail-limits.ts";
import { mailWarning } from "./mail/mailer.ts";
import { passwordActions } from "./passwords/password.actions.ts";
import type { Passwords } from "./passwords/passwords.ts";
import { permissionsOfRoles } from "./roles.ts";
import { secondFactorActions } from "./second-factor/second-factor.actions.ts";
import type { SecondFactor } from "./second-factor/second-factor.ts";
import { contract } from "./users.contract.ts";
import type { UsersRepository } from "./users.repository.ts";

/** How often expired accounts are removed, in milliseconds. */
const EXPIRY_INTERVAL = 600_000;

/** How long a node that stops waits for mails, in milliseconds. */
const MAIL_SHUTDOWN_TIMEOUT = 3_000;

/** Accounts, logins, passwords, second factors and roles. */
export default class UsersService extends Service implements UsersComponents {
  declare db: Kysely<AllTables>;
  declare accounts: UsersRepository;
  declare links: AccountLinks;
  declare login: Login;
  declare loginLimits: LoginLimits;
  declare mailLimits: MailLimits;
  declare mails: AccountMails;
  declare passwords: Passwords;
  declare registrations: KeyedConcurrencyLimit;
  declare secondFactor: SecondFactor;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const allPermissions = permissionsOf(loadContracts());
    const components = () => this;

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            ...registrationActions(config.smtpUrl, components),
            ...loginActions(components),
            ...secondFactorActions(allPermissions, components),
            ...passwordActions(components),
            ...emailAddressActions(components),
            ...profileActions(components),
            ...lookupActions(allPermissions, components),
            ...administrationActions(allPermissions, components),
          },
        },
        {
          mixins: [
            database({ schema: "users", migrations: join(import.meta.dirname, "migrations") }),
            timers,
          ],
          started: async () => {
            Object.assign(this, await createComponents(this.db, config, this.logger));
            const warning = await mailWarning(config);
            if (warning) this.logger.warn(warning);
            await ensureAdministrator(config, this.accounts, this.passwords, (message) =>
              this.logger.warn(message),
            );
            every(this, EXPIRY_INTERVAL, () => this.removeExpired());
          },
          stopped: async () => {
            // undefined if the start failed
            await this.mails?.close(MAIL_SHUTDOWN_TIMEOUT);
            await this.passwords?.close();
          },
        },
      ),
    );
  }

  /** Removes registered accounts whose owners did not verify an address in time. */
  async removeExpired(): Promise<void> {
    await removeExpiredAccounts(ownContext(this), this.accounts);
  }

  /** Begins a session without a password, for the REPL of this process. */
  async signIn(login: string): Promise<ResultOf<"auth.generateToken">> {
    const account = mustExist(await this.accounts.findByLogin(login));
    return ownContext(this).call("auth.generateToken", { userId: account.id });
  }

  /** The permissions and the subject type of an account, for the REPL. */
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
