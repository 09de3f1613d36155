import { decide } from "./access.ts";
import type { ServiceContract } from "../contract.ts";
import { declaredActions, declaredHandlers, emittersOf, EVERY_NODE } from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** The subjects that a NATS user may use; all others are refused. */
export interface NatsPermissions {
  publish: string[];
  subscribe: string[];
}

/** Packets to all nodes: by these they find each other. */
const TO_ALL = ["DISCOVER", "INFO", "HEARTBEAT", "PING", "DISCONNECT"];
/** Packets to one node that every node may send to every other. */
const TO_ANY = ["DISCOVER", "INFO", "PING", "PONG"];
/** Packets to one node that only some may send. */
const TO_SOME = ["REQ", "RES", "EVENT"];
/** By which the server says that nobody received a packet (lib/nats-transporter.ts): nobody else may publish to it. */
const FROM_SERVER = "UNDELIVERED";

/**
 * What each service may publish and subscribe to with Moleculer's NATS transporter, where each node runs
 * one service and is called `<service>.<anything>`: requests go to services that have an action for it,
 * responses to services that may call it, events to those who handle what it emits, and it hears only
 * what is for itself. With Moleculer's own balancer, as here, each packet names its node.
 *
 * NATS looks at subjects, not into packets: which action is called, and whether a node is what its INFO
 * packet says, is for the guard to check.
 *
 * @param namespace the broker's; "" for none
 */
export function natsPermissions(
  contracts: Contracts,
  namespace: string,
): ReadonlyMap<string, NatsPermissions> {
  const services = [...contracts.keys()].toSorted();
  const prefix = namespace ? `MOL-${namespace}` : "MOL";
  const toAll = (packet: string) => `${prefix}.${packet}`;
  const toNode = (packet: string, service: string) => `${prefix}.${packet}.${service}.>`;

  const mayCall = callersAndCallees(contracts);
  const mayTrigger = emittersAndHandlers(contracts);
  return new Map(
    services.map((service) => [
      service,
      {
        publish: [
          ...TO_ALL.map(toAll),
          ...TO_ANY.map((packet) => `${prefix}.${packet}.>`),
          ...services.flatMap((other) => [
            ...(mayCall.has(pair(service, other)) ? [toNode("REQ", other)] : []),
            ...(mayCall.has(pair(other, service)) ? [toNode("RES", other)] : []),
            ...(mayTrigger.has(pair(service, other)) ? [toNode("EVENT", other)] : []),
          ]),
        ].toSorted(),
        subscribe: [
          ...TO_ALL.map(toAll),
          ...[...TO_ANY, ...TO_SOME, FROM_SERVER].map((packet) => toNode(packet, service)),
        ].toSorted(),
      },
    ]),
  );
}

const pair = (from: string, to: string) => `${from} ${to}`;

/** The services on whose nodes something runs. */
const servicesBehind = (service: string, contracts: Contracts) =>
  service === EVERY_NODE ? [...contracts.keys()] : [service];

/** Each pair of services of which the first may call some action of the second. */
function callersAndCallees(contracts: Contracts): ReadonlySet<string> {
  const allowed = declaredActions(contracts).flatMap(({ name, service, access }) =>
    [...contracts.keys()]
      .filter((caller) => decide({ kind: "service", name: caller }, name, access).allowed)
      .flatMap((caller) =>
        servicesBehind(service, contracts).map((callee) => pair(caller, callee)),
      ),
  );
  return new Set(allowed);
}

/** Each pair of services of which the first emits some event that the second takes from it. */
function emittersAndHandlers(contracts: Contracts): ReadonlySet<string> {
  const emitters = emittersOf(contracts);
  const allowed = declaredHandlers(contracts).flatMap(({ name, event, service, access }) =>
    (emitters.get(event) ?? [])
      .filter((emitter) => decide({ kind: "service", name: emitter }, name, access).allowed)
      .flatMap((emitter) =>
        servicesBehind(service, contracts).map((handler) => pair(emitter, handler)),
      ),
  );
  return new Set(allowed);
}
