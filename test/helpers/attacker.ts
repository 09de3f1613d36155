import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Context,
  type Middleware,
  ServiceBroker,
  type ServiceSchema,
  Transporters,
} from "moleculer";
import { sealed, serviceGuard } from "moleculer-service-guard";
import { connect, type NatsConnection } from "nats";
import { serviceNames } from "../../lib/contract/load.ts";
import { readSigningKey, type SigningKey } from "../../lib/tokens/signing-key.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import type { SigningKeys } from "../../services/auth/signing-keys/signing-keys.ts";
import type { App } from "./app.ts";

/** Code that calls actions and is no service. */
export interface Attacker {
  call(
    action: string,
    params?: unknown,
    options?: { headers?: object; meta?: object; [option: string]: unknown },
  ): Promise<any>;
  emit(event: string, payload: unknown, headers?: object): Promise<unknown>;
  broadcast(event: string, payload: unknown, headers?: object, meta?: object): Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Code without a service context: in the application's process, or over NATS on a node of its own that holds the
 * credential of `posts`, since without a credential nothing would reach the application.
 */
export async function startAttacker(app: App): Promise<Attacker> {
  const own = app.env.NATS_URL ? await startThief(app) : undefined;
  const broker = own?.broker ?? app.brokers[0]!;
  return {
    call: (action, params = {}, options = {}) =>
      broker.call(action, params as object, options as object),
    emit: (event, payload, headers = {}) => broker.emit(event, payload, { headers }),
    broadcast: (event, payload, headers = {}, meta = {}) =>
      broker.broadcast(event, payload, { headers, meta }),
    stop: async () => own?.stop(),
  };
}

/** Reads a secret of the application. */
export const steal = (app: App, service: string, name: string): string =>
  readFileSync(join(app.env.DATA_DIR!, "secrets", service, name), "utf8").trim();

/** The guard's signing key, from its file, or the current signing key of auth, from its memory. */
export const stolenKey = (app: App, service: "guard" | "auth"): SigningKey =>
  service === "guard"
    ? readSigningKey(steal(app, service, "signing_key"))
    : (app.service("auth") as unknown as { keys: SigningKeys }).keys.current;

export interface ThiefOptions {
  /** The service whose credential was stolen. */
  credential?: string;
  /** The services that the node announces. */
  services?: object[];
  /** Changes the packets that the node sends, after its own guard has seen them. */
  forge?: (packet: { type: string; payload: Record<string, unknown> }) => void;
  /** Whether the guard refuses the node, which then never sees the other services. */
  isRefused?: boolean;
}

export interface Thief {
  broker: ServiceBroker;
  /** A context of the node's service. */
  context(service?: string): Context;
  stop(): Promise<void>;
}

/** Starts a node on the application's NATS that has the guard's middleware and a stolen credential. */
export async function startThief(
  app: App,
  { credential = "posts", services = [{ name: credential }], forge, isRefused }: ThiefOptions = {},
): Promise<Thief> {
  const token = steal(app, credential, "auth_token");
  const guard = serviceGuard({
    services: serviceNames(),
    service: credential,
    credential: () => token,
    keys: ["auth"],
  });
  const SealedNats = sealed(Transporters.NATS);
  const broker = new ServiceBroker({
    ...ofAttacker(app),
    nodeID: guard.nodeID,
    transporter: new SealedNats({ url: app.env.NATS_URL! }),
    middlewares: [guard, ...(forge ? [forgePackets(forge)] : [])],
  });
  for (const schema of services) broker.createService(schema as ServiceSchema);
  await broker.start();
  if (!isRefused) await broker.waitForServices(serviceNames(), 10_000, 20);
  return {
    broker,
    context: (service = credential) => ownContext(broker.getLocalService(service)) as never,
    stop: () => broker.stop(),
  };
}

const forgePackets = (forge: NonNullable<ThiefOptions["forge"]>) =>
  ({
    name: "Forge",
    transporterSend:
      (next: (...given: unknown[]) => unknown) =>
      (topic: string, data: Buffer, meta: { packet: { type: string } }) => {
        const payload = JSON.parse(data.toString());
        forge({ type: meta.packet.type, payload });
        return next(topic, Buffer.from(JSON.stringify(payload)), meta);
      },
  }) as unknown as Middleware;

/** Starts a node on the application's NATS without the guard's middleware. */
export async function startPlainNode(
  app: App,
  { nodeID = `plain-${randomUUID()}`, services = [] as object[] } = {},
): Promise<ServiceBroker> {
  const broker = new ServiceBroker({
    ...ofAttacker(app),
    nodeID,
    transporter: { type: "NATS", options: { url: app.env.NATS_URL! } },
  });
  for (const schema of services) broker.createService(schema as ServiceSchema);
  await broker.start();
  return broker;
}

const ofAttacker = (app: App) => ({
  namespace: app.env.NAMESPACE!,
  internalServices: false,
  logger: false as const,
  requestTimeout: 5_000,
  skipProcessEventRegistration: true,
});

export interface RawClient {
  nats: NatsConnection;
  /** The first part of the application's subjects. */
  prefix: string;
  /** All messages that were published since it connected. */
  captured: { subject: string; data: Buffer }[];
  /** Publishes an unsealed packet of Moleculer's protocol. */
  publish(kind: string, nodeID: string | undefined, payload: object): Promise<void>;
  close(): Promise<void>;
}

/** Connects a NATS client with all permissions. */
export async function connectRaw(app: App): Promise<RawClient> {
  const nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
  const prefix = `MOL-${app.env.NAMESPACE}`;
  const captured: RawClient["captured"] = [];
  nats.subscribe(">", {
    callback: (_error, { subject, data }) =>
      void captured.push({ subject, data: Buffer.from(data) }),
  });
  await nats.flush();
  return {
    nats,
    prefix,
    captured,
    async publish(kind, nodeID, payload) {
      const subject = [prefix, kind, ...(nodeID === undefined ? [] : [nodeID])].join(".");
      nats.publish(subject, JSON.stringify(payload));
      await nats.flush();
    },
    close: () => nats.close(),
  };
}
