import { type Application, startApplication } from "../citadel/application.ts";
import type { Measurement } from "../load/recorder.ts";
import type { Database } from "./postgres.ts";
import { type Child, startChild, startNats } from "./processes.ts";
import type { BenchContext } from "./suite.ts";

// The sides of the suites that measure sockets.

type Processes = Measurement["processes"];

export const BARE = "bare socket.io, stores nothing";

/** The columns of CPU time. */
export const PROCESSES = ["gateway", "service", "nats-server", "PostgreSQL", "Redis", "others"];

/** How the acknowledgement of a stored message begins. */
export const ACCEPTED = '[{"ok":true';

/** Citadel: gateways, a `chat` node, and one with the other services, over a nats-server of their own. */
export async function startChat(
  { nodeOptions }: BenchContext,
  { name, url }: Database,
  { gateways = 1, env }: { gateways?: number; env?: Record<string, string> } = {},
): Promise<{ application: Application; processes: Processes }> {
  const nats = await startNats();
  const application = await startApplication({
    natsUrl: nats.url,
    databaseUrl: url,
    processes: [
      ...Array.from({ length: gateways }, () => ["api"]),
      ["chat"],
      ["guard", "auth", "users", "posts"],
    ],
    nodeOptions,
    ...(env && { env }),
  });
  const processes = {
    gateway: application.pidsOf("api"),
    service: [application.pidOf("chat")],
    "nats-server": [nats.pid],
    PostgreSQL: { database: name },
    others: [application.pidOf("users")],
  };
  return { application, processes };
}

const peerFile = (file: string) => new URL(`../peers/sockets/${file}`, import.meta.url);

const urlOf = (started: unknown) => `http://127.0.0.1:${(started as { port: number }).port}`;

/** Socket.IO alone, in one process. @param port a free one if undefined */
export async function startBare(
  port?: number,
): Promise<{ url: string; processes: Processes; child: Child<never, unknown> }> {
  const child = await startChild(peerFile("bare.js"), { settings: { port } });
  return { url: urlOf(child.started), processes: { gateway: [child.pid] }, child };
}

/** moleculer-io and a service over a nats-server of their own. @param redis the server of the gateways' adapter */
export async function startMoleculerIo({
  redis,
  gateways = 1,
}: {
  redis?: { pid: number; url: string };
  gateways?: number;
}): Promise<{ urls: string[]; processes: Processes }> {
  const nats = await startNats();
  const start = (role: string, nodeID: string) =>
    startChild(peerFile("moleculer-io.js"), {
      settings: { role, nodeID, natsUrl: nats.url, redisUrl: redis?.url },
    });
  const names = Array.from({ length: gateways }, (_, at) => `gateway-${at}`);
  const [service, ...nodes] = await Promise.all([
    start("service", "service"),
    ...names.map((name) => start("gateway", name)),
  ]);
  return {
    urls: nodes.map(({ started }) => urlOf(started)),
    processes: {
      gateway: nodes.map(({ pid }) => pid),
      service: [service.pid],
      "nats-server": [nats.pid],
      ...(redis && { Redis: [redis.pid] }),
    },
  };
}

/** The seconds until all sockets are back. */
export interface Reconnection {
  /** Since the gateway was stopped. */
  sinceStop: number;
  /** Since it has started again. */
  sinceStart: number;
}

/**
 * Measures a restart.
 *
 * @param back resolves when all sockets are back
 * @param restarted resolves when the gateway has started again
 */
export async function reconnection(
  back: Promise<void>,
  restarted: Promise<void>,
): Promise<Reconnection> {
  const stopped = performance.now();
  const [started] = await Promise.all([restarted.then(() => performance.now()), back]);
  const now = performance.now();
  return { sinceStop: (now - stopped) / 1_000, sinceStart: (now - started) / 1_000 };
}
