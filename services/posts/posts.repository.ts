import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import type { ResultOf } from "../../lib/contract.ts";
import { type PageRequest, readCursor, toPage } from "../../lib/page.ts";

interface Posts {
  id: string;
  author_id: string;
  title: string;
  body: string;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

type Post = ResultOf<"posts.get">;

const toPost = (row: Selectable<Posts>): Post => ({
  id: row.id,
  authorId: row.author_id,
  title: row.title,
  body: row.body,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export interface PostsDatabase {
  posts: Posts;
}

/** The posts service's only table. */
export class PostsRepository {
  readonly #db: Kysely<PostsDatabase>;

  constructor(db: Kysely<PostsDatabase>) {
    this.#db = db;
  }

  async insert(authorId: string, post: { title: string; body: string }): Promise<Post> {
    const row = await this.#db
      .insertInto("posts")
      .values({ ...post, id: randomUUID(), author_id: authorId })
      .returningAll()
      .executeTakeFirstOrThrow();
    return toPost(row);
  }

  async find(id: string): Promise<Post | undefined> {
    const row = await this.#db
      .selectFrom("posts")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toPost(row);
  }

  async update(
    id: string,
    { title, body }: { title?: string | undefined; body?: string | undefined },
  ): Promise<Post | undefined> {
    const row = await this.#db
      .updateTable("posts")
      .set({
        updated_at: sql`now()`,
        ...(title !== undefined && { title }),
        ...(body !== undefined && { body }),
      })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toPost(row);
  }

  async remove(id: string): Promise<void> {
    await this.#db.deleteFrom("posts").where("id", "=", id).execute();
  }

  /** Newest first. */
  async list({ limit, cursor, authorId }: PageRequest & { authorId?: string | undefined }) {
    const after = readCursor(cursor);
    let select = this.#db
      .selectFrom("posts")
      .selectAll()
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1);
    if (authorId !== undefined) select = select.where("author_id", "=", authorId);
    if (after)
      select = select.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("created_at", "id"), "<", tuple(after.at, after.id)),
      );
    const rows = await select.execute();
    return toPage(rows, limit, ({ created_at, id }) => ({ at: created_at, id }), toPost);
  }
}
