import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { connect } from "nats";
import { signProof } from "../../lib/tokens/request-proof.ts";
import { signCallToken } from "../../lib/tokens/service-token.ts";
import { makeSigningKey, readSigningKey, type SigningKey } from "../../lib/tokens/signing-key.ts";
import { vi } from "vitest";
import type { KeyRing } from "../../services/auth/key-ring.ts";
import type { App } from "./app.ts";

/** Somebody on the same bus, or in the same process, who holds no credential of the application. */
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
    broadcast: (event, payload, headers = {}, meta = {}) =>
      broker.broadcast(event, payload, { headers, meta }),
    stop: async () => own?.stop(),
  };
}

/** A secret of the application, for tests that steal one. */
export const steal = (app: App, service: string, name: string): string =>
  readFileSync(join(app.env.DATA_DIR!, "secrets", service, name), "utf8").trim();

/** The guard's key, from its file, or the one that auth signs with at the moment, from its memory. */
export const stolenKey = (app: App, service: "guard" | "auth"): SigningKey =>
  service === "guard"
    ? readSigningKey(steal(app, service, "signing_key"))
    : (app.service("auth") as unknown as { keys: KeyRing }).keys.current;

const thief = readSigningKey(makeSigningKey("ES256"));

export interface Forgery {
  sub: string;
  aud: string;
  lifetime?: number;
}

/** A call token that a thief of the guard's own key makes, bound to a key of the thief's. */
export const forgeToken = (app: App, { lifetime = 60, ...claims }: Forgery, key?: SigningKey) =>
  signCallToken(key ?? stolenKey(app, "guard"), {
    ...claims,
    cid: "stolen",
    lifetime,
    cnf: { jwk: thief.jwk },
  });

/** The headers with this token, and the proof that goes with it. */
export const proved = (
  token: string,
  request: { service?: string; target: string; nodeID: string; params: unknown },
) => ({
  "service-token": token,
  "service-proof": signProof({ ...thief, alg: "ES256" }, { service: "posts", ...request, token }),
});

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
  nats.publish(
    `${prefix}.REQ.${nodeID}`,
    JSON.stringify({ ...payload, ...packet, sender, id: payload.id }),
  );
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

export interface BusReader {
  /** The first packets that are like this. */
  packets(isWanted: (packet: BusPacket) => boolean, count?: number): Promise<BusPacket[]>;
  publish(subject: string, payload: object): Promise<void>;
  close(): Promise<void>;
}

export interface BusPacket {
  subject: string;
  payload: any;
}

/** Reads every packet of a kind off the bus, whoever it is for. */
export async function readBus(app: App, kind: string): Promise<BusReader> {
  const nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
  const seen: BusPacket[] = [];
  nats.subscribe(`MOL-${app.env.NAMESPACE}.${kind}.>`, {
    callback: (_error, message) =>
      seen.push({ subject: message.subject, payload: JSON.parse(message.string()) }),
  });
  await nats.flush();
  return {
    packets: (isWanted, count = 1) =>
      vi.waitFor(
        () => {
          const wanted = seen.filter(isWanted);
          if (wanted.length < count) throw new Error("not yet");
          return wanted;
        },
        { timeout: 10_000, interval: 20 },
      ),
    async publish(subject, payload) {
      nats.publish(subject, JSON.stringify(payload));
      await nats.flush();
    },
    close: () => nats.close(),
  };
}
