import type { ServiceBroker } from "moleculer";
import type { Duplex } from "node:stream";

// The parts of Moleculer 0.14 and 0.15 that the transporter uses and Moleculer's types leave out.

export interface Payload {
  ver: string;
  sender: string;
  id?: string;
  [field: string]: unknown;
}

export interface Packet {
  type: string;
  target: string | null | undefined;
  payload: Payload;
}

export interface SendMeta {
  packet?: Packet;
}

export interface TransitInternals {
  connected: boolean;
  isReady: boolean;
  pendingRequests: Map<string, { nodeID: string | null; stream?: boolean }>;
  pendingReqStreams: Map<string, { sender: string; stream: Duplex }>;
  pendingResStreams: Map<string, Duplex>;
  publish(packet: Packet): Promise<unknown>;
  removePendingRequest(id: string): void;
  discoverNode(nodeID: string): Promise<unknown>;
}

export interface BrokerInternals {
  registry: {
    /** "seq" raises the number of the next INFO. */
    localNodeInfoInvalidated: boolean | "seq";
    discoverer: { sendLocalNodeInfo(nodeID?: string): Promise<unknown> };
    nodes: { disconnected(nodeID: string, isUnexpected: boolean): void };
    unregisterService(fullName: string, nodeID: string): void;
  };
  servicesChanged(isLocal: boolean): void;
}

// the cast: Moleculer's types leave these fields out
export const internalsOf = (broker: ServiceBroker): BrokerInternals =>
  broker as unknown as BrokerInternals;

/** The part of Moleculer's base class that transporters share. */
export interface BaseTransporter {
  opts: unknown;
  connected: boolean;
  hasBuiltInBalancer: boolean;
  broker: ServiceBroker;
  transit: TransitInternals;
  nodeID: string;
  messageHandler(command: string, packet: Packet): Promise<unknown>;
  init(transit: object, messageHandler: unknown, afterConnect: unknown): void;
  connect(errorHandler: (error: Error) => void): Promise<unknown>;
  disconnect(): Promise<unknown> | undefined;
  subscribe(command: string, nodeID?: string): Promise<unknown>;
  receive(command: string, data: Buffer, sender?: unknown): unknown;
  send(topic: string, data: Buffer, meta?: SendMeta): Promise<unknown>;
  getTopicName(command: string, nodeID?: string): string;
  serialize(packet: Packet): Buffer;
  deserialize(command: string, data: Buffer): Packet | null;
}

/** A transporter class, such as Transporters.NATS. */
export type TransporterClass = new (options?: never) => object;
export type TransporterBase = new (options?: unknown) => BaseTransporter;
