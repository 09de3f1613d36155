import { createPrivateKey, createPublicKey } from "node:crypto";
import { ServiceBroker, Transporters } from "moleculer";
import { kidOf, type NodeKey } from "../src/bus/node-key.ts";
import type { SealedBus } from "../src/bus/sealed-bus.ts";
import { guardService, makeSigningKey, sealed, serviceGuard } from "../src/index.ts";
import { GuardAuthority } from "../src/authority/authority.ts";
import { guardNodeOf } from "../src/node/attachment.ts";
import type { GuardNode } from "../src/node/guard-node.ts";

/** A long lifetime, so that no identity expires in a test. */
const IDENTITY_TTL = 3_600;

/** The start of a private X25519 key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");

/** The key of these 32 private bytes. */
export function nodeKeyOf(privateBytes: Buffer): NodeKey {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, privateBytes]),
    format: "der",
    type: "pkcs8",
  });
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const publicKey = Buffer.from(x, "base64url");
  return { privateKey, publicKey, kid: kidOf(publicKey), createdAt: 0 };
}

/** The sent frames, in their order. */
export interface SentFrame {
  to: string | undefined;
  frame: Buffer;
}

export interface TestNode {
  broker: ServiceBroker;
  node: GuardNode;
  bus: SealedBus;
  sent: SentFrame[];
}

export interface TestBus {
  signingKey: string;
  guard: TestNode;
  users: TestNode;
  mallory: TestNode;
  stop(): Promise<void>;
}

/** A guard, a service, and a malicious service with an identity of its own, on a bus in this process. */
export async function startBus(keyLifetime = 12 * 3_600_000): Promise<TestBus> {
  const signingKey = makeSigningKey();
  const namespace = `p${Math.random().toString(36).slice(2)}`;
  const authority = new GuardAuthority({ signingKey });
  const start = async (service: string): Promise<TestNode> => {
    const sent: SentFrame[] = [];
    class Recording extends Transporters.Fake {
      override send(topic: string, data: Buffer, meta?: { packet: { target?: string } }) {
        sent.push({ to: meta?.packet.target, frame: Buffer.from(data) });
        return super.send(topic, data);
      }
    }
    const own = serviceGuard({ services: ["users", "mallory"], service, keyLifetime });
    const broker = new ServiceBroker({
      namespace,
      nodeID: own.nodeID,
      logger: false,
      requestTimeout: 5_000,
      // only what a test sends changes the state of a node
      heartbeatInterval: 0,
      internalServices: false,
      skipProcessEventRegistration: true,
      transporter: new (sealed(Recording))() as never,
      middlewares: [own],
    });
    if (service === "guard")
      broker.createService(guardService({ signingKey, identityTtl: IDENTITY_TTL }));
    else
      broker.createService({
        name: service,
        authToken: authority.generate(service).credential,
        actions: { hello: { restricted: null, handler: () => "hello" } },
      } as never);
    await broker.start();
    const node = guardNodeOf(broker);
    if (!node.bus) throw new Error("The broker has no transporter.");
    return { broker, node, bus: node.bus, sent };
  };
  const [guard, users, mallory] = [
    await start("guard"),
    await start("users"),
    await start("mallory"),
  ];
  const all = [guard, users, mallory];
  await guard.broker.waitForServices(["users", "mallory"]);
  await users.broker.waitForServices(["guard", "mallory"]);
  await mallory.broker.waitForServices(["guard", "users"]);
  return {
    signingKey,
    guard,
    users,
    mallory,
    stop: async () => {
      for (const { broker } of all) await broker.stop();
    },
  };
}

/** Seals records as a malicious node does. */
export function sealAs(from: TestNode, to: TestNode, plaintext: Buffer): Buffer {
  const peer = from.bus.peers.of(to.node.nodeID);
  if (!peer) throw new Error(`The node '${to.node.nodeID}' is not proved.`);
  return from.bus.channels.to(peer).seal(plaintext);
}

/** The state of a node. Each list begins with the node or service of the entry. */
export interface State {
  peers: unknown[][];
  channels: unknown[][];
  own: string[];
  key: string;
  nodes: unknown[][];
  services: [fullName: string, nodeID: string, actions: string[]][];
  pending: string[];
}

/** The state of a node without its counts of refusals. */
export function stateOf({ node, bus, broker }: TestNode): State {
  return {
    peers: [...bus.peers.proved()].map((peer) => [
      peer.nodeID,
      peer.kid.toString("hex"),
      [...peer.services].map(([name, { token }]) => [name, token]),
      node.trusted.get([...peer.services.values()][0]?.signer ?? "") !== undefined,
    ]),
    channels: [...bus.channels.all()].map(({ peer, window }) => [
      peer.nodeID,
      window.highest,
      window.missing,
    ]),
    own: node.identities.valid().map(({ token }) => token),
    key: node.keys.current.kid.toString("hex"),
    nodes: broker.registry.nodes.toArray().map(({ id, available, seq }) => [id, available, seq]),
    services: broker.registry.services.services.map(
      (one: { fullName: string; node: { id: string }; actions: object }) => [
        one.fullName,
        one.node.id,
        Object.keys(one.actions),
      ],
    ),
    pending: [...(broker.transit?.pendingRequests.keys() ?? [])],
  };
}
