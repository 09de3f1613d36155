import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { type AccessTokenClaims, holds } from "../../lib/tokens/access-token.ts";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { deleteOldRequests, type IdempotencyDatabase } from "../../lib/database/idempotency.ts";
import { afterCommit } from "../../lib/database/after-commit.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { implement } from "../../lib/contract/implement.ts";
import { count } from "../../lib/metrics/metrics.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { contract } from "./posts.contract.ts";
import { PostsRepository, type PostsDatabase } from "./posts.repository.ts";
import { excerptOf } from "./posts.schemas.ts";

/** Posts: public to read, and changed by their authors and moderators. */
export default class PostsService extends Service {
  declare db: Kysely<PostsDatabase & IdempotencyDatabase>;
  declare posts: PostsRepository;

  constructor(broker: ServiceBroker) {
    super(broker);

    this.parseServiceSchema(
      implement<typeof contract, PostsDatabase>(
        contract,
        {
          actions: {
            list: (ctx) => this.posts.list(ctx.params),

            get: async (ctx) => mustExist(await this.posts.find(ctx.params.id)),

            create: async (ctx, trx) => {
              const post = await new PostsRepository(trx).insert(ctx.locals.user.sub, ctx.params);
              count(ctx, "posts.created.total");
              afterCommit(trx, () => ctx.broadcast("posts.created", toEvent(post)));
              return post;
            },

            update: async (ctx) => {
              const { id, ...changes } = ctx.params;
              await this.mustBeEditable(id, ctx.locals.user);
              const post = await this.posts.update(id, changes);
              if (!post) return this.throwNotChanged(id);
              await ctx.broadcast("posts.updated", toEvent(post));
              return post;
            },

            remove: async (ctx) => {
              const { id, version } = ctx.params;
              const authorId = await this.mustBeEditable(id, ctx.locals.user);
              if (!(await this.posts.remove(id, version))) await this.throwNotChanged(id);
              await ctx.broadcast("posts.removed", { id, authorId });
            },

            userPosts: (ctx) => ctx.call("users.posts", ctx.params),

            createUser: async (ctx) => {
              const username = `tour-${randomUUID().slice(0, 8)}`;
              await ctx.call("users.create", {
                username,
                email: `${username}@example.com`,
                password: randomUUID(),
              });
            },
          },
          jobs: { purge: () => deleteOldRequests(this.db) },
        },
        {
          mixins: [
            queue(contract),
            database({ schema: "posts", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.posts = new PostsRepository(this.db);
          },
        },
      ),
    );
  }

  /** @throws CitadelError NotFound if a post that was not changed does not exist, PreconditionFailed otherwise */
  private async throwNotChanged(id: string): Promise<never> {
    mustExist(await this.posts.find(id));
    throw new CitadelError("PreconditionFailed");
  }

  /**
   * @returns the author
   * @throws CitadelError NotFound; UserNotAuthorized for the post of another user, without posts:moderate
   */
  private async mustBeEditable(id: string, user: AccessTokenClaims): Promise<string> {
    const { authorId } = mustExist(await this.posts.find(id));
    if (authorId !== user.sub && !holds(user, "posts:moderate"))
      throw new CitadelError("UserNotAuthorized", {
        message: "This post belongs to another user.",
      });
    return authorId;
  }
}

/** What events tell of a post. */
const toEvent = ({ body, ...post }: ResultOf<"posts.get">) => ({
  ...post,
  excerpt: excerptOf(body),
});

function mustExist(post: ResultOf<"posts.get"> | undefined): ResultOf<"posts.get"> {
  if (!post) throw new CitadelError("NotFound", { message: "There is no such post." });
  return post;
}
