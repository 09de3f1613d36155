import type { Components, UsersActions } from "../components.ts";
import { mustExist } from "./account-rules.ts";
import { visibleFields } from "./visible-fields.ts";

/** The actions with which users and other services look up accounts. */
export function lookupActions(
  components: Components<"accounts" | "roles">,
): UsersActions<"search" | "names" | "get" | "list" | "name" | "identity" | "posts"> {
  const accountOf = async (id: string) => mustExist(await components().accounts.find(id));

  return {
    search: (ctx) =>
      components().accounts.list(ctx.params, (account) => visibleFields(account, ctx.locals.user)),

    names: async (ctx) => ({ items: await components().accounts.namesOf(ctx.params.ids) }),

    get: async (ctx) => visibleFields(await accountOf(ctx.params.id), ctx.locals.user),

    list: (ctx) => components().accounts.list(ctx.params, ({ id, username }) => ({ id, username })),

    name: async (ctx) => {
      const { username } = await accountOf(ctx.params.id);
      return { username };
    },

    identity: async (ctx) => {
      const account = await accountOf(ctx.params.id);
      const { id, username, email, roles, subject_type: subjectType, name, tags } = account;
      return {
        id,
        username,
        email,
        emailVerified: account.email_verified_at !== null,
        roles,
        permissions: (await components().roles.known(roles)).permissionsOf(roles),
        subjectType,
        tags,
        ...(name !== null && { name }),
        ...(account.extensions && { extensions: account.extensions }),
      };
    },

    posts: async (ctx) => {
      const { id, ...page } = ctx.params;
      if (id !== undefined) await accountOf(id);
      return ctx.call("posts.list", { ...page, authorId: id });
    },
  };
}
