import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/contract/schemas/page.ts";
import { KeyedConcurrencyLimit } from "../../lib/limits/keyed-concurrency-limit.ts";
import { contract } from "./posts.contract.ts";
import { EXCERPT_LENGTH } from "./posts.schemas.ts";

interface PostsTable {
  id: string;
  author_id: string;
  title: string;
  body: string;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  version: Generated<number>;
  /** The search vector of the title and the body. */
  search: Generated<unknown>;
}

/** The columns of a post in a list. A single post has its body, too. */
const SUMMARY_COLUMNS = [
  "id",
  "author_id",
  "title",
  "created_at",
  "updated_at",
  "version",
] as const satisfies readonly (keyof PostsTable)[];

const COLUMNS = [...SUMMARY_COLUMNS, "body"] as const;

const { searches, waitingSearches } = contract.limits;

type Post = ResultOf<"posts.get">;
type PostSummary = ResultOf<"posts.list">["items"][number];
type SummaryRow = Pick<Selectable<PostsTable>, (typeof SUMMARY_COLUMNS)[number]>;

const toCommon = (row: SummaryRow): Omit<Post, "body"> => ({
  id: row.id,
  authorId: row.author_id,
  title: row.title,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
  version: row.version,
});

const toPost = (row: SummaryRow & { body: string }): Post => ({
  ...toCommon(row),
  body: row.body,
});

const toSummary = (row: SummaryRow & { excerpt: string }): PostSummary => ({
  ...toCommon(row),
  excerpt: row.excerpt,
});

interface PostChanges {
  title?: string | undefined;
  body?: string | undefined;
  /** With it, only this version is changed. */
  version?: number | undefined;
}

interface Filter {
  authorId?: string | undefined;
  /** Words in the syntax of a search engine. */
  query?: string | undefined;
}

export interface PostsDatabase {
  posts: PostsTable;
}

/** Posts. */
export class PostsRepository {
  readonly #db: Kysely<PostsDatabase>;
  readonly #searches = new KeyedConcurrencyLimit({
    running: searches.max,
    waiting: waitingSearches.max,
  });

  constructor(db: Kysely<PostsDatabase>) {
    this.#db = db;
  }

  async insert(authorId: string, post: { title: string; body: string }): Promise<Post> {
    const row = await this.#db
      .insertInto("posts")
      .values({ ...post, id: randomUUID(), author_id: authorId })
      .returning(COLUMNS)
      .executeTakeFirstOrThrow();
    return toPost(row);
  }

  async find(id: string): Promise<Post | undefined> {
    const row = await this.#db
      .selectFrom("posts")
      .select(COLUMNS)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toPost(row);
  }

  /** Changes a post. @returns undefined if it does not exist or has another version */
  async update(id: string, { title, body, version }: PostChanges): Promise<Post | undefined> {
    const row = await this.#db
      .updateTable("posts")
      .set({
        updated_at: sql`now()`,
        version: sql`version + 1`,
        ...(title !== undefined && { title }),
        ...(body !== undefined && { body }),
      })
      .where("id", "=", id)
      .$if(version !== undefined, (query) => query.where("version", "=", version ?? 0))
      .returning(COLUMNS)
      .executeTakeFirst();
    return row && toPost(row);
  }

  /** Removes a post. @returns false if it does not exist or has another version */
  async remove(id: string, version: number | undefined): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("posts")
      .where("id", "=", id)
      .$if(version !== undefined, (query) => query.where("version", "=", version ?? 0))
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** A page of posts, the newest first, with excerpts instead of bodies. */
  async list({ authorId, query, ...page }: PageRequest & Filter) {
    // `substr` decompresses only the beginning of a long text, `left` all of it
    const excerpt = sql<string>`substr(body, 1, ${EXCERPT_LENGTH})`.as("excerpt");
    let select = this.#db.selectFrom("posts").select([...SUMMARY_COLUMNS, excerpt]);
    if (authorId !== undefined) select = select.where("author_id", "=", authorId);
    if (query !== undefined)
      select = select.where(sql<boolean>`search @@ websearch_to_tsquery('simple', ${query})`);
    const find = async () => newestFirst(select, page, "created_at", "id").execute();
    const rows = await (query === undefined ? find() : this.#searches.run("", find));
    return toPage(rows, page.limit, ({ created_at, id }) => ({ at: created_at, id }), toSummary);
  }
}
