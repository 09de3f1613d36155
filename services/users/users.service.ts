import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { type AccessTokenClaims, holds } from "../../lib/access-token.ts";
import { configOf } from "../../lib/attachment.ts";
import type { ResultOf } from "../../lib/contract.ts";
import { loadContracts, permissionsOf } from "../../lib/contracts.ts";
import { CitadelError } from "../../lib/errors.ts";
import { Passwords } from "../../lib/passwords.ts";
import { implement, ownContext } from "../../mixins/contract.ts";
import { database } from "../../mixins/database.ts";
import { ensureAdministrator } from "./first-administrator.ts";
import { permissionsOfRoles } from "./roles.ts";
import { contract } from "./users.contract.ts";
import { type Account, UsersRepository, type UsersDatabase } from "./users.repository.ts";

/** Accounts, passwords and roles. */
export default class UsersService extends Service {
  declare db: Kysely<UsersDatabase>;
  declare accounts: UsersRepository;
  declare passwords: Passwords;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const allPermissions = permissionsOf(loadContracts());

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            register: async (ctx) => {
              const account = await this.insert(ctx.params);
              await ctx.emit("user.created", { id: account.id, username: account.username });
              return ctx.call("auth.createSession", { userId: account.id });
            },

            login: async (ctx) => {
              const { username, password } = ctx.params;
              const account = await this.accounts.findByLogin(username);
              if (!(await this.passwords.matches(password, account?.password_hash)) || !account)
                throw new CitadelError("InvalidCredentials");
              return ctx.call("auth.createSession", { userId: account.id });
            },

            profile: async (ctx) =>
              toUser(found(await this.accounts.find(ctx.locals.user.sub)), ctx.locals.user),

            updateProfile: async (ctx) => {
              const account = await this.accounts.update(ctx.locals.user.sub, ctx.params);
              return toUser(found(account), ctx.locals.user);
            },

            search: (ctx) =>
              this.accounts.list(ctx.params, (account) => toUser(account, ctx.locals.user)),

            get: async (ctx) =>
              toUser(found(await this.accounts.find(ctx.params.id)), ctx.locals.user),

            create: async (ctx) => {
              const account = await this.insert(ctx.params);
              await ctx.emit("user.created", { id: account.id, username: account.username });
              return toUser(account, ctx.locals.user);
            },

            update: async (ctx) => {
              const { id, password, ...changes } = ctx.params;
              const passwordHash = password && (await this.passwords.hash(password));
              const account = found(await this.accounts.update(id, { ...changes, passwordHash }));
              // whoever knew the old one may be signed in
              if (passwordHash) await ctx.call("auth.endSessions", { userId: id });
              return toUser(account, ctx.locals.user);
            },

            remove: async (ctx) => {
              const { id } = ctx.params;
              if (!(await this.accounts.remove(id))) throw new CitadelError("NotFound");
              await ctx.emit("user.removed", { id });
            },

            setRoles: async (ctx) => {
              const { id, roles } = ctx.params;
              return toUser(found(await this.accounts.update(id, { roles })), ctx.locals.user);
            },

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
            await ensureAdministrator(config, this.accounts, this.passwords, (message) =>
              this.logger.warn(message),
            );
          },
          stopped: () => this.passwords?.close(),
        },
      ),
    );
  }

  private async insert(account: { username: string; email: string; password: string }) {
    const { password, ...rest } = account;
    const passwordHash = await this.passwords.hash(password);
    return this.accounts.insert({
      ...rest,
      passwordHash,
      roles: ["user"],
      subjectType: "EndUserAccount",
    });
  }

  /** Signs somebody in without a password: for the REPL, which runs in this process. */
  async signIn(login: string): Promise<ResultOf<"auth.createSession">> {
    const account = found(await this.accounts.findByLogin(login));
    return ownContext(this).call("auth.createSession", { userId: account.id });
  }

  /** The permissions of somebody, for the REPL. */
  async permissionsOfUser(login: string): Promise<string[] | undefined> {
    const account = await this.accounts.findByLogin(login);
    return account && permissionsOfRoles(account.roles, permissionsOf(loadContracts()));
  }
}

function found(account: Account | undefined): Account {
  if (!account) throw new CitadelError("NotFound", { message: "There is no such user." });
  return account;
}

/** An account as this viewer may see it. */
function toUser(account: Account, viewer: AccessTokenClaims): ResultOf<"users.get"> {
  const { id, username, email, roles, created_at } = account;
  const isShown = viewer.sub === id || holds(viewer, "users:read");
  return {
    id,
    username,
    createdAt: created_at.toISOString(),
    ...(isShown && { email, roles }),
  };
}
