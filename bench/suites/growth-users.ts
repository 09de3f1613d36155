import { startApplication } from "../citadel/application.ts";
import {
  CONNECTIONS,
  httpFigures,
  type HttpSide,
  measureHttp,
  showHttp,
  startLoad,
} from "../harness/http-side.ts";
import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { startNats } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";

// Does a request cost more in an application with more users? Two applications, each on a database of its own.

interface Size {
  name: string;
  users: number;
  posts: number;
}

const MANY: Size = { name: OURS, users: 10_000, posts: 10_000 };
/** More posts than a page has, so that the responses are of the same size. */
const FEW: Size = { name: "10 users, 100 posts", users: 10, posts: 100 };

const PATHS = { "GET /api/users/me": "/api/users/me", "GET /api/posts, 20 posts": "/api/posts" };
const PROCESSES = ["gateway", "services", "nats-server", "PostgreSQL", "others"];

const titleOf = (route: string): string =>
  `${route}: 10,000 users and posts, ${CONNECTIONS} connections`;

interface Side extends Pick<HttpSide, "name" | "processes"> {
  url: string;
  token: string;
}

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server === undefined) {
    context.progress.line(WITHOUT_DATABASE);
    return [];
  }
  return withDatabase(server, (many) => withDatabase(server, (few) => compare(context, many, few)));
}

async function compare(context: BenchContext, many: Database, few: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const sides = await progress.step("two applications start", async () => [
    await startSide(context, MANY, many),
    await startSide(context, FEW, few),
  ]);
  const load = await startLoad();
  const size = quick ? { rounds: 8, duration: 300 } : { rounds: 15, duration: 1_000 };
  const rows: Row[] = [];
  for (const [route, path] of Object.entries(PATHS)) {
    progress.line(route);
    const measurable = sides.map((side) => toHttp(side, path));
    for (const side of measurable) await measureHttp(load, side, quick ? 1_500 : 4_000);
    const measured = await interleave(
      context,
      { ...size, sides: measurable },
      (side) => measureHttp(load, side, size.duration),
      showHttp,
    );
    rows.push(
      ...rowsOf(titleOf(route), measured, httpFigures(PROCESSES), {
        [FEW.name]: { CPU: { atMost: 1.15 } },
      }),
    );
  }
  return rows;
}

async function startSide(
  { nodeOptions }: BenchContext,
  { name, users, posts }: Size,
  database: Database,
): Promise<Side> {
  const nats = await startNats();
  const application = await startApplication({
    natsUrl: nats.url,
    databaseUrl: database.url,
    processes: [["api"], ["users", "posts"], ["guard", "auth", "chat"]],
    nodeOptions,
  });
  const token = await application.signIn();
  await fill(database, users, posts);
  return {
    name,
    url: application.url,
    token,
    processes: {
      gateway: [application.pidOf("api")],
      services: [application.pidOf("users")],
      "nats-server": [nats.pid],
      PostgreSQL: { database: database.name },
      others: [application.pidOf("guard")],
    },
  };
}

/** Adds users, and posts by all of them. */
async function fill({ query }: Database, users: number, posts: number): Promise<void> {
  await query(
    `insert into users.accounts
       (id, username, email, password_hash, roles, subject_type, created_at)
     select gen_random_uuid(), 'member-' || n, 'member-' || n || '@example.com', '',
       array['user'], 'EndUserAccount', now() - n * interval '1 minute'
     from generate_series(1, $1::integer) as n`,
    [users],
  );
  await query(
    `with authors as (select id, row_number() over () as n from users.accounts)
     insert into posts.posts (id, author_id, title, body, created_at, updated_at)
     select gen_random_uuid(), authors.id, 'Post ' || post, repeat('What a request costs. ', 12),
       now() - post * interval '1 minute', now() - post * interval '1 minute'
     from generate_series(1, $1::integer) as post
     join authors on authors.n = 1 + post % $2::integer`,
    [posts, users],
  );
  await query("vacuum analyze");
}

const toHttp = ({ name, url, token, processes }: Side, path: string): HttpSide => ({
  name,
  request: {
    url: url + path,
    method: "GET",
    headers: { authorization: `Bearer ${token}` },
    status: 200,
  },
  processes,
});

export const suite: Suite = {
  name: "growth-users",
  order: 9,
  description: "signed-in requests with 10,000 users and 10,000 posts, beside 10 users",
  method: `Two applications, each with its own PostgreSQL database on one server, are measured in turn. The rows are inserted by SQL, and
analyzed. Both list 20 posts of the same length. A ratio of 1 is flat.`,
  run,
};
