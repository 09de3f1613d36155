import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { connect } from "nats";
import { readSigningKey, type SigningKey } from "../../lib/signing-key.ts";
import type { App } from "./app.ts";

/** Somebody on the same bus, or in the same process, who holds no credential of the application. */
export interface Attacker {
  call(
    action: string,
    params?: unknown,
    options?: { headers?: object; meta?: object; [option: string]: unknown },
  ): Promise<any>;
  emit(event: string, payload: unknown, headers?: object): Promise<unknown>;
  broadcast(event: string, payload: unknown, headers?: object): Promise<unknown>;
  stop(): Promise<void>;
}

/** A plain Moleculer node on the application's NATS; without NATS, code in its process that is no service. */
export async function startAttacker(app: App): Promise<Attacker> {
  const own = app.env.NATS_URL
    ? new ServiceBroker({
        namespace: app.env.NAMESPACE!,
        nodeID: `attacker-${randomUUID()}`,
        transporter: { type: "NATS", options: { url: app.env.NATS_URL } },
        internalServices: false,
        logger: false,
        skipProcessEventRegistration: true,
      })
    : undefined;
  await own?.start();
  await own?.waitForServices(["api", "auth", "guard", "users", "posts", "chat"], 10_000, 20);
  const broker = own ?? app.brokers[0]!;
  return {
    call: (action, params = {}, options = {}) =>
      broker.call(action, params as object, options as object),
    emit: (event, payload, headers = {}) => broker.emit(event, payload, { headers }),
    broadcast: (event, payload, headers = {}) => broker.broadcast(event, payload, { headers }),
    stop: async () => own?.stop(),
  };
}

/** A secret of the application, for tests that steal one. */
export const steal = (app: App, service: string, name: string): string =>
  readFileSync(join(app.env.DATA_DIR!, "secrets", service, name), "utf8").trim();

export const stolenKey = (app: App, service: "guard" | "auth"): SigningKey =>
  readSigningKey(steal(app, service, "signing_key"));

/** Publishes one packet to the bus, past every broker, and returns what is answered to it. */
export async function publishRequest(
  app: App,
  { nodeID, ...packet }: { nodeID: string; action: string; [field: string]: unknown },
): Promise<any> {
  const nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
  const sender = `raw-${randomUUID()}`;
  const prefix = `MOL-${app.env.NAMESPACE}`;
  const answers = nats.subscribe(`${prefix}.RES.${sender}`, { max: 1 });
  const payload = {
    ver: "5",
    sender,
    id: randomUUID(),
    params: {},
    meta: {},
    headers: {},
    level: 1,
  };
  nats.publish(`${prefix}.REQ.${nodeID}`, JSON.stringify({ ...payload, ...packet }));
  for await (const message of answers) {
    await nats.close();
    return JSON.parse(message.string());
  }
  throw new Error("Nothing was answered.");
}

/** Publishes one event packet to a node. */
export async function publishEvent(
  app: App,
  { nodeID, ...packet }: { nodeID: string; event: string; [field: string]: unknown },
): Promise<void> {
  const nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
  const payload = { ver: "5", sender: nodeID, id: randomUUID(), meta: {}, headers: {}, level: 1 };
  nats.publish(
    `MOL-${app.env.NAMESPACE}.EVENT.${nodeID}`,
    JSON.stringify({ ...payload, ...packet }),
  );
  await nats.drain();
}
