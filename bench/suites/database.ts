import assert from "node:assert/strict";
import { type Application, startApplication } from "../citadel/application.ts";
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
import { startChild, startNats } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";

// Requests that read and write PostgreSQL. Both sides have the same tables, and run the same queries.

const PEER = "NestJS Fastify with kysely";

/** Longer than an excerpt. */
const BODY = "What a request costs that reads or writes PostgreSQL. ".repeat(6);
const POSTS = 100;

/** What is measured: a route, and our service that responds. */
const SUBJECTS = [
  { route: "GET /api/users/me", service: "users", status: 200 },
  { route: "GET /api/posts", service: "posts", status: 200 },
  { route: "POST /api/posts", service: "posts", status: 201 },
] as const;
type Subject = (typeof SUBJECTS)[number];

const titleOf = ({ route }: Subject): string =>
  `${route}${route === "GET /api/posts" ? ", 20 posts" : ""}, ${CONNECTIONS} connections`;

const PROCESSES = ["gateway", "service", "nats-server", "PostgreSQL", "others"];

/** A side, and its form for each subject. */
interface Side {
  name: string;
  url: string;
  processesFor(subject: Subject): HttpSide["processes"];
}

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server === undefined) {
    context.progress.line(WITHOUT_DATABASE);
    return [];
  }
  return withDatabase(server, (ours) =>
    withDatabase(server, (theirs) => compare(context, ours, theirs)),
  );
}

async function compare(context: BenchContext, ours: Database, theirs: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const { sides, token } = await progress.step("the sides start", async () => {
    const { side, application } = await startOurs(context, ours);
    const signedIn = await application.signIn();
    await fill(ours, theirs);
    const peer = context.includes(PEER, true)
      ? [await startPeer(theirs, await application.publicKey())]
      : [];
    return { sides: [side, ...peer], token: signedIn };
  });
  if (context.hold) {
    await context.hold(sides.map((side) => SUBJECTS.map((one) => toHttp(side, one, token))));
    return [];
  }
  const load = await startLoad();
  const size = quick ? { rounds: 4, duration: 400 } : { rounds: 15, duration: 1_000 };
  const rows: Row[] = [];
  for (const subject of SUBJECTS) {
    progress.line(subject.route);
    const measurable = sides.map((side) => toHttp(side, subject, token));
    await mustRespondAlike(measurable);
    for (const side of measurable) await measureHttp(load, side, quick ? 900 : 4_000);
    const measured = await interleave(
      context,
      { ...size, sides: measurable },
      (side) => measureHttp(load, side, size.duration),
      showHttp,
    );
    rows.push(
      ...rowsOf(titleOf(subject), measured, httpFigures(PROCESSES), {
        [PEER]: { requests: { atLeast: 1.5 } },
      }),
    );
  }
  return rows;
}

/** Citadel: a process for each of `api`, `users` and `posts`, and one for all other services. */
async function startOurs({ nodeOptions }: BenchContext, { name, url }: Database) {
  const nats = await startNats();
  const application: Application = await startApplication({
    natsUrl: nats.url,
    databaseUrl: url,
    processes: [["api"], ["users"], ["posts"], ["guard", "auth", "chat"]],
    nodeOptions,
  });
  const side: Side = {
    name: OURS,
    url: application.url,
    processesFor: ({ service }) => ({
      gateway: [application.pidOf("api")],
      service: [application.pidOf(service)],
      "nats-server": [nats.pid],
      PostgreSQL: { database: name },
      others: [
        application.pidOf("guard"),
        application.pidOf(service === "users" ? "posts" : "users"),
      ],
    }),
  };
  return { side, application };
}

/** NestJS: a gateway, and one service for both. */
async function startPeer({ name, url }: Database, publicKey: string): Promise<Side> {
  const nats = await startNats();
  const settings = { natsUrl: nats.url, publicKey, databaseUrl: url };
  const start = (file: string) =>
    startChild(new URL(`../peers/nest/${file}`, import.meta.url), { settings });
  const [gateway, service] = await Promise.all([
    start("database-gateway.js"),
    start("database-service.js"),
  ]);
  const { port } = gateway.started as { port: number };
  return {
    name: PEER,
    url: `http://127.0.0.1:${port}`,
    processesFor: () => ({
      gateway: [gateway.pid],
      service: [service.pid],
      "nats-server": [nats.pid],
      PostgreSQL: { database: name },
    }),
  };
}

/** Writes posts into our database, and copies these and the accounts to the peer's. */
async function fill(ours: Database, theirs: Database): Promise<void> {
  await ours.query(
    `insert into posts.posts (id, author_id, title, body, created_at, updated_at)
     select gen_random_uuid(), (select id from users.accounts limit 1), 'Post ' || n, $1,
       now() - n * interval '1 minute', now() - n * interval '1 minute'
     from generate_series(1, ${POSTS}) as n`,
    [BODY],
  );
  for (const table of ["users.accounts", "posts.posts"]) {
    // the search vector is generated
    const rows = await ours.query(`select to_jsonb(t) - 'search' as row from ${table} as t`);
    const [first] = rows as { row: Record<string, unknown> }[];
    const columns = Object.keys(first?.row ?? {}).join(", ");
    await theirs.query(
      `insert into ${table} (${columns})
       select ${columns} from jsonb_populate_recordset(null::${table}, $1)`,
      [JSON.stringify(rows.map(({ row }) => row))],
    );
  }
  for (const { query } of [ours, theirs]) await query("analyze");
}

function toHttp({ name, url, processesFor }: Side, subject: Subject, token: string): HttpSide {
  const [method, path] = subject.route.split(" ") as ["GET" | "POST", string];
  return {
    name,
    request: {
      url: url + path,
      method,
      headers: { authorization: `Bearer ${token}` },
      status: subject.status,
      ...(method === "POST" && { body: JSON.stringify({ title: "A post", body: BODY }) }),
    },
    processes: processesFor(subject),
  };
}

/** Both sides respond the same; a created post has an id and times of its own. */
async function mustRespondAlike(sides: readonly HttpSide[]): Promise<void> {
  const [first, ...others] = await Promise.all(
    sides.map(async ({ request: { url, method, headers, body, status } }) => {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
        ...(body !== undefined && { body }),
      });
      assert.equal(response.status, status, url);
      const result = (await response.json()) as object;
      return method === "GET" ? result : Object.keys(result).toSorted();
    }),
  );
  for (const other of others) assert.deepEqual(other, first);
}

export const suite: Suite = {
  name: "database",
  order: 2,
  description: "requests that read and write PostgreSQL, beside NestJS with kysely",
  method: `Both sides have the same tables and rows, each in a database of its own on one server, and run the same queries through
kysely and pg with ten connections. NestJS runs on Fastify with Passport, a KeyObject, the ValidationPipe and a guard for
permissions, and calls a microservice over NATS. Reading posts needs no access token, on either side.`,
  charts: SUBJECTS.map((subject) => ({
    file: subject.route.toLowerCase().replaceAll(/[^a-z]+/g, "-"),
    subject: titleOf(subject),
    figure: "CPU",
    parts: PROCESSES.map((name) => `CPU ${name}`),
  })),
  run,
};
