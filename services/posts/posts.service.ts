import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { type AccessTokenClaims, holds } from "../../lib/tokens/access-token.ts";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { contract } from "./posts.contract.ts";
import { PostsRepository, type PostsDatabase } from "./posts.repository.ts";

/** Posts, which everybody reads and their authors write. */
export default class PostsService extends Service {
  declare db: Kysely<PostsDatabase>;
  declare posts: PostsRepository;

  constructor(broker: ServiceBroker) {
    super(broker);

    this.parseServiceSchema(
      implement<typeof contract, PostsDatabase>(
        contract,
        {
          actions: {
            list: (ctx) => this.posts.list(ctx.params),

            get: async (ctx) => found(await this.posts.find(ctx.params.id)),

            create: (ctx, db) => new PostsRepository(db).insert(ctx.locals.user.sub, ctx.params),

            update: async (ctx) => {
              const { id, ...changes } = ctx.params;
              await this.mustBeMine(id, ctx.locals.user);
              const post = await this.posts.update(id, changes);
              return post ?? this.whyNot(id);
            },

            remove: async (ctx) => {
              const { id, version } = ctx.params;
              await this.mustBeMine(id, ctx.locals.user);
              if (!(await this.posts.remove(id, version))) await this.whyNot(id);
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
        },
        {
          mixins: [
            database({ schema: "posts", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.posts = new PostsRepository(this.db);
          },
        },
      ),
    );
  }

  /** A post that was not changed is gone, or of another version by now. */
  private async whyNot(id: string): Promise<never> {
    found(await this.posts.find(id));
    throw new CitadelError("PreconditionFailed");
  }

  /** Another's post is for those who moderate. */
  private async mustBeMine(id: string, user: AccessTokenClaims): Promise<void> {
    const { authorId } = found(await this.posts.find(id));
    if (authorId !== user.sub && !holds(user, "posts:moderate"))
      throw new CitadelError("UserNotAuthorized", { message: "This is somebody else's post." });
  }
}

function found(post: ResultOf<"posts.get"> | undefined): ResultOf<"posts.get"> {
  if (!post) throw new CitadelError("NotFound", { message: "There is no such post." });
  return post;
}
