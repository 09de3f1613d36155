import assert from "node:assert/strict";
import { startApplication } from "../citadel/application.ts";
import { ITEM } from "../citadel/payload.ts";
import {
  CONNECTIONS,
  httpFigures,
  type HttpSide,
  measureHttp,
  showHttp,
  startLoad,
} from "../harness/http-side.ts";
import { startChild, startNats } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";

// A signed-in GET: a gateway verifies an access token and calls a service over NATS, which responds with 454 bytes.

const PATH = "/api/item";
const SUBJECT = `signed-in GET, ${CONNECTIONS} connections`;
const PROCESSES = ["gateway", "service", "nats-server", "others"];

interface Peer {
  name: string;
  /** The file of each role, in bench/peers/. Gateway and service are measured, `others` only exist. */
  files: { gateway: string; service: string; others?: string };
  variant?: string;
  /** Does it accept a request without a token? */
  isOpen?: boolean;
  /** Is it measured with `--quick`, too? */
  isQuick?: boolean;
}

const STOCK = "stock moleculer-web, no authentication";
const NEST = "NestJS Fastify, passport-jwt as documented";
const NEST_KEY = "NestJS Fastify, passport-jwt with a KeyObject";
const FASTIFY_CACHE = "Fastify, @fastify/jwt with its cache";

const moleculer = (file: string) => ({ gateway: file, service: file });
const NEST_FILES = { gateway: "nest/gateway.js", service: "nest/service.js" };
const FASTIFY_FILES = { gateway: "fastify/gateway.js", service: "fastify/service.js" };

const PEERS: readonly Peer[] = [
  { name: STOCK, files: moleculer("moleculer/stock.js"), isOpen: true, isQuick: true },
  {
    name: "naive guard, checked by calls",
    files: { ...moleculer("moleculer/naive.js"), others: "moleculer/naive.js" },
  },
  { name: NEST, files: NEST_FILES },
  { name: NEST_KEY, files: NEST_FILES, variant: "KeyObject", isQuick: true },
  { name: "Fastify, @fastify/jwt", files: FASTIFY_FILES },
  { name: FASTIFY_CACHE, files: FASTIFY_FILES, variant: "cache", isQuick: true },
];

const GOALS = {
  [STOCK]: {
    requests: { atLeast: 1.3, floor: 1 },
    CPU: { atMost: 0.8, floor: 1 },
    p99: { atMost: 1 },
  },
  [NEST]: { requests: { atLeast: 3 } },
  [NEST_KEY]: { requests: { atLeast: 2.5 } },
  [FASTIFY_CACHE]: { requests: { atLeast: 1.5 } },
};

async function run(context: BenchContext): Promise<Row[]> {
  const { progress, quick } = context;
  const peers = PEERS.filter(({ name, isQuick = false }) => context.includes(name, isQuick));
  const sides = await progress.step(`${peers.length + 1} sides start`, async () => {
    const { side, token, publicKey } = await startOurs(context);
    return [side, ...(await Promise.all(peers.map((peer) => startPeer(peer, token, publicKey))))];
  });
  await Promise.all(sides.map(mustRespond));
  if (context.hold) {
    await context.hold(sides);
    return [];
  }
  const load = await startLoad();
  const size = quick ? { rounds: 5, duration: 450 } : { rounds: 15, duration: 1_000 };
  await progress.step("warm-up", async () => {
    for (const side of sides) await measureHttp(load, side, quick ? 1_200 : 4_000);
  });
  const measured = await interleave(
    context,
    { ...size, sides },
    (side) => measureHttp(load, side, size.duration),
    showHttp,
  );
  return rowsOf(SUBJECT, measured, httpFigures(PROCESSES), GOALS);
}

/** Three processes: the gateway, the service, and all services that these need and that are idle meanwhile. */
async function startOurs({ nodeOptions }: BenchContext) {
  const nats = await startNats();
  const application = await startApplication({
    natsUrl: nats.url,
    processes: [["api"], ["item"], ["guard", "auth", "users", "posts", "chat"]],
    nodeOptions,
  });
  const token = await application.signIn();
  const side: HttpSide = {
    name: OURS,
    request: requestOf(application.url, token),
    processes: {
      gateway: [application.pidOf("api")],
      service: [application.pidOf("item")],
      "nats-server": [nats.pid],
      others: [application.pidOf("guard")],
    },
  };
  return { side, token, publicKey: await application.publicKey() };
}

/** The peers verify the same access token with the same key. */
async function startPeer(
  { name, files, variant }: Peer,
  token: string,
  publicKey: string,
): Promise<HttpSide> {
  const nats = await startNats();
  const start = (role: keyof Peer["files"]) =>
    startChild(new URL(`../peers/${files[role]}`, import.meta.url), {
      settings: { role, natsUrl: nats.url, publicKey, variant },
    });
  const [gateway, service, others] = await Promise.all([
    start("gateway"),
    start("service"),
    files.others === undefined ? undefined : start("others"),
  ]);
  const { port } = gateway.started as { port: number };
  return {
    name,
    request: requestOf(`http://127.0.0.1:${port}`, token),
    processes: {
      gateway: [gateway.pid],
      service: [service.pid],
      "nats-server": [nats.pid],
      ...(others && { others: [others.pid] }),
    },
  };
}

const requestOf = (url: string, token: string): HttpSide["request"] => ({
  url: url + PATH,
  method: "GET",
  headers: { authorization: `Bearer ${token}` },
  status: 200,
});

/** All sides respond the same, and all that authenticate refuse a request without a token. */
async function mustRespond({ name, request: { url, headers } }: HttpSide): Promise<void> {
  const response = await fetch(url, { headers });
  assert.deepEqual(await response.json(), ITEM, `${name} responds with the item`);
  const { status } = await fetch(url);
  const isOpen = PEERS.find((peer) => peer.name === name)?.isOpen ?? false;
  assert.equal(status, isOpen ? 200 : 401, `${name} without a token`);
}

export const suite: Suite = {
  name: "http",
  order: 1,
  isQuick: true,
  description: "a signed-in GET through the gateway and a service, beside other frameworks",
  method: `The gateway verifies an RS256 access token and calls a service over NATS, which responds with 454 bytes of JSON; all peers
get the same token. Citadel is the application as it ships, with rate limits that are counted and not reached, metrics, the
sealed bus, and a service that verifies the token itself. The services that its gateway and service need are idle in a third process.
Of the peers, stock moleculer-web verifies nothing, and its bus is open, as those of NestJS and Fastify are; their services trust
the gateway. The naive guard calls two services for each request, to check the caller's and the user's token.`,
  charts: [
    { file: "signed-in-get-requests", subject: SUBJECT, figure: "requests" },
    {
      file: "signed-in-get-cpu",
      subject: SUBJECT,
      figure: "CPU",
      parts: PROCESSES.map((name) => `CPU ${name}`),
    },
  ],
  run,
};
