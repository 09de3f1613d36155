import type { Kysely } from "kysely";
import type { ServiceBroker } from "moleculer";
import type { Config } from "../../lib/config/config.ts";
import type { Events, Jobs } from "../../lib/contract/durable.ts";
import type { Handlers } from "../../lib/contract/handlers.ts";
import type { IdempotencyDatabase } from "../../lib/database/idempotency.ts";
import { Encryption } from "../../lib/encryption.ts";
import { KeyedConcurrencyLimit } from "../../lib/limits/keyed-concurrency-limit.ts";
import type { UsersDatabase } from "./accounts/account.ts";
import {
  type KnownAddressesDatabase,
  KnownAddressesRepository,
} from "./login/known-addresses.repository.ts";
import { Login } from "./login/login.ts";
import { LoginLimits } from "./login/login-limits.ts";
import { AccountLinks } from "./mail/account-links.ts";
import { AccountMails } from "./mail/account-mails.ts";
import { MailLimits } from "./mail/mail-limits.ts";
import { Mailer, mailFolder } from "./mail/mailer.ts";
import { Notifications } from "./notifications.ts";
import { HashingCost, type HashingCostDatabase } from "./passwords/hashing-cost.ts";
import { Passwords } from "./passwords/passwords.ts";
import { RolesRepository } from "./roles/roles.repository.ts";
import { renewStoredFactors } from "./second-factor/key-rotation.ts";
import { SecondFactorRepository } from "./second-factor/second-factor.repository.ts";
import { SecondFactor } from "./second-factor/second-factor.ts";
import type { contract } from "./users.contract.ts";
import { LIMITS } from "./users.limits.ts";
import { UsersRepository } from "./users.repository.ts";

/** What the service's actions and jobs work with. */
export interface UsersComponents {
  readonly db: Kysely<AllTables>;
  readonly jobs: Jobs<typeof contract>;
  readonly accounts: UsersRepository;
  readonly links: AccountLinks;
  readonly login: Login;
  readonly loginLimits: LoginLimits;
  readonly mailer: Mailer;
  readonly mailLimits: MailLimits;
  readonly mails: AccountMails;
  readonly passwords: Passwords;
  readonly registrations: KeyedConcurrencyLimit;
  readonly roles: RolesRepository;
  readonly secondFactor: SecondFactor;
}

/** The components that a group of actions uses. A function, since they exist only once the service has started. */
export type Components<Name extends keyof UsersComponents> = () => Pick<UsersComponents, Name>;

/** The handlers of some of the contract's actions. */
export type UsersActions<Name extends keyof Handlers<typeof contract>["actions"]> = Pick<
  Handlers<typeof contract>["actions"],
  Name
>;

/** The handlers of some of the contract's jobs. */
export type UsersJobs<Name extends keyof Handlers<typeof contract>["jobs"]> = Pick<
  Handlers<typeof contract>["jobs"],
  Name
>;

export type AllTables = UsersDatabase &
  KnownAddressesDatabase &
  HashingCostDatabase &
  IdempotencyDatabase;

interface Foundations {
  readonly db: Kysely<AllTables>;
  readonly jobs: Jobs<typeof contract>;
  readonly events: Events<typeof contract>;
  readonly config: Config;
  /** The permissions that a role may have in this environment. */
  readonly grantable: readonly string[];
  readonly logger: ServiceBroker["logger"];
}

/**
 * Creates the components, and re-encrypts second factors that were encrypted with an older key.
 *
 * @throws Error if a key of USERS_ENCRYPTION_KEY that is in use is missing
 */
export async function createComponents({
  db,
  jobs,
  events,
  config,
  grantable,
  logger,
}: Foundations): Promise<Omit<UsersComponents, "db" | "jobs">> {
  const counters = { db, schema: "users", table: "login_limits" };
  const encryption = new Encryption(config.secret("users", "encryption_key") ?? "");
  const factors = new SecondFactorRepository(db);
  const renewed = await renewStoredFactors(factors, encryption);
  if (renewed > 0)
    logger.info(
      `Second factors re-encrypted with the first key of USERS_ENCRYPTION_KEY: ${renewed}.`,
    );

  const notifications = new Notifications(jobs, events);
  const roles = new RolesRepository(db, jobs, grantable);
  const accounts = new UsersRepository(db, notifications, roles);
  const links = new AccountLinks(db, notifications);
  const loginLimits = new LoginLimits(counters, new KnownAddressesRepository(db));
  const mailLimits = new MailLimits(counters);
  const { smtpUrl, mailFrom: from } = config;
  const mailer = new Mailer({ smtpUrl, from, folder: mailFolder(config), log: logger });
  const mails = new AccountMails({ config, accounts, links, limits: mailLimits, mailer });
  const hashingCost = new HashingCost({ db, config, log: logger });
  const passwords = new Passwords((measure) => hashingCost.current(measure));
  const secondFactor = new SecondFactor({
    db,
    factors,
    notifications,
    encryption,
    issuer: URL.parse(config.issuer)?.hostname ?? config.issuer,
    counters,
  });
  const login = new Login({
    accounts,
    passwords,
    limits: loginLimits,
    secondFactor,
    warn: (message, error) => logger.warn({ err: error }, message),
  });
  const registrations = new KeyedConcurrencyLimit({
    running: LIMITS.runningRegistrations.max,
    waiting: LIMITS.waitingRegistrations.max,
  });
  return {
    accounts,
    links,
    login,
    loginLimits,
    mailer,
    mailLimits,
    mails,
    passwords,
    registrations,
    roles,
    secondFactor,
  };
}
