import { LRUCache } from "lru-cache";
import type { ServiceBroker } from "moleculer";
import { type Endpoint, isInternal } from "../../lib/hooks.ts";
import type { EndorsedKeys } from "../../lib/tokens/key-endorsement.ts";
import {
  audienceOfAction,
  audienceOfEvent,
  audienceOfNode,
} from "../../lib/tokens/service-token.ts";
import type { CallTokens } from "./call-tokens.ts";
import type { Verifier } from "./verifier.ts";

/** What a node says of itself (Moleculer's INFO packet), as far as it matters here. */
interface NodeInfo {
  sender: string;
  instanceID: string;
  services: { name: string; fullName?: string }[];
  metadata?: { serviceProofs?: Record<string, unknown>; guardKeys?: EndorsedKeys };
}

export interface AnnouncementsOptions {
  tokens: CallTokens;
  verifier: Verifier;
  /** Gets the guard's keys, where the guard runs on this node. */
  guardKeys: () => Promise<EndorsedKeys>;
}

/** How often a node's own proofs are looked after, in milliseconds; it asks the guard only when they age. */
const CARE_INTERVAL = 5_000;
/** While a node has not yet proved all its services. */
const FIRST_INTERVAL = 50;

/** For how long a node may be without proof before the log tells of it, in milliseconds. */
const UNPROVED_PATIENCE = 5_000;

/**
 * Callees are checked too. A node puts a proof for each of its services into its metadata: a call token
 * whose audience is this node in this incarnation. Services that are not proved never get into
 * the registry of the other nodes, so that they are neither called nor told of events.
 */
export class Announcements {
  readonly #broker: ServiceBroker;
  readonly #options: AnnouncementsOptions;
  /** Nodes that have proved themselves, by their id: nobody else may speak for them. */
  readonly #proved = new LRUCache<string, true>({ max: 10_000 });
  /** Since when a node says things without proof, in milliseconds since the epoch, by its id. */
  readonly #unproved = new LRUCache<string, number>({ max: 1_000 });
  /** What nodes said while the guard's keys were not known, by their id. */
  readonly #held = new LRUCache<string, () => void>({ max: 1_000 });
  #timer: NodeJS.Timeout | undefined;

  constructor(broker: ServiceBroker, options: AnnouncementsOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  /** Proves this node's services to the others, from now on. */
  start(): void {
    if (this.#broker.transit) this.#care(FIRST_INTERVAL);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #care(delay: number): void {
    const care = async () => {
      const isWhole = await this.#prove().catch((error: unknown) => {
        this.#broker.logger.warn({ err: error }, "This node could not be proved to others yet.");
        return false;
      });
      if (this.#timer) this.#care(isWhole ? CARE_INTERVAL : FIRST_INTERVAL);
    };
    this.#timer = setTimeout(() => void care(), delay);
    this.#timer.unref();
  }

  /** Brings the metadata up to date. @returns are all services proved? */
  async #prove(): Promise<boolean> {
    const broker = this.#broker;
    const audience = audienceOfNode(broker.nodeID, broker.instanceID);
    const metadata = broker.metadata as NonNullable<NodeInfo["metadata"]>;
    const names = broker.services.map(({ name }) => name).filter((name) => !isInternal(name));
    const proofs: Record<string, string> = {};
    let isWhole = true;
    for (const name of names) {
      try {
        const grant = await this.#options.tokens.get(name, audience);
        if (grant) proofs[name] = grant.token;
      } catch (error) {
        isWhole = false;
        broker.logger.debug({ err: error }, `'${name}' could not be proved yet.`);
      }
    }
    for (const name of names) this.#prepareCalls(name);
    const before = Object.keys(metadata.serviceProofs ?? {}).length;
    const isGuard = broker.getLocalService("guard") !== undefined;
    metadata.serviceProofs = proofs;
    if (isGuard) {
      metadata.guardKeys = await this.#options.guardKeys();
      this.#learn(metadata.guardKeys);
    }
    const hasMore = Object.keys(proofs).length !== before;
    // others that ask get the fresh proofs; that there are more, all must hear
    broker.registry.regenerateLocalRawInfo(hasMore);
    if (hasMore) await broker.registry.discoverer.sendLocalNodeInfo();
    return isWhole;
  }

  /** Gets the tokens of the calls and events that a service may make, so that these work without the guard. */
  #prepareCalls(name: string): void {
    const { actions, events } = this.#broker.registry as unknown as Catalogs;
    const audiences = new Set<string>();
    for (const { endpoints } of actions.actions.values())
      for (const { action, service } of endpoints)
        if (mayReach(name, action)) audiences.add(audienceOfAction(service.fullName));
    for (const { name: event, endpoints } of events.events)
      if (!event.includes("*") && endpoints.some((endpoint) => mayReach(name, endpoint.event)))
        audiences.add(audienceOfEvent(event));
    for (const audience of audiences)
      Promise.resolve()
        .then(() => this.#options.tokens.get(name, audience))
        // the call itself reports it
        .catch(() => {});
  }

  /**
   * Lets in what a node says of itself, without the services that it does not prove.
   *
   * @param accept hands it to Moleculer
   */
  receive(info: NodeInfo, accept: (info: NodeInfo) => unknown): void {
    if (!isInfo(info)) return;
    if (info.metadata?.guardKeys) this.#learn(info.metadata.guardKeys);
    this.#consider(info, accept);
  }

  #consider(info: NodeInfo, accept: (info: NodeInfo) => unknown): void {
    const { metadata = {}, sender, services } = info;
    const tokens = Object.values(metadata.serviceProofs ?? {}).filter(isText);
    if (tokens.some((token) => !this.#options.verifier.knowsKeyOf(token))) {
      this.#held.set(sender, () => this.#consider(info, accept));
      return;
    }
    const proved = this.#provedServices(info);
    const isKnown = this.#proved.has(sender);
    // a name that has been proved is not given away to whoever comes next
    if (proved.size === 0 && (isKnown || services.length > 0)) {
      if (tokens.length > 0 || isKnown) this.#tellOfUnproved(sender);
      return;
    }
    if (proved.size > 0) this.#proved.set(sender, true);
    this.#unproved.delete(sender);
    const isLetIn = ({ name, fullName = name }: NodeInfo["services"][number]) =>
      proved.has(fullName) || (isInternal(name) && proved.size > 0);
    accept({ ...info, services: services.filter(isLetIn) });
  }

  /** A node that starts anew speaks before it has its proofs; one that has none is asked again and again. */
  #tellOfUnproved(sender: string): void {
    const now = Date.now();
    const since = this.#unproved.get(sender);
    if (since === undefined) this.#unproved.set(sender, now);
    else if (now - since >= UNPROVED_PATIENCE) {
      this.#unproved.set(sender, now);
      this.#broker.logger.warn(`The guard takes no notice of the node '${sender}': no proof.`);
    }
  }

  /** Looks again at what was held, if there is anything new to look at it with. */
  #learn(keys: EndorsedKeys): void {
    try {
      if (!this.#options.verifier.learn(keys)) return;
    } catch (error) {
      this.#broker.logger.warn({ err: error }, "The guard's keys could not be read.");
      return;
    }
    const held = [...this.#held.values()];
    this.#held.clear();
    for (const again of held) again();
  }

  #provedServices({ sender, instanceID, metadata = {} }: NodeInfo): Set<string> {
    const audience = audienceOfNode(sender, instanceID);
    const proved = new Set<string>();
    for (const [name, token] of Object.entries(metadata.serviceProofs ?? {})) {
      try {
        const verdict = isText(token) && this.#options.verifier.verify(token, audience);
        if (verdict && !(verdict instanceof Promise) && verdict.caller === name) proved.add(name);
      } catch {
        // not proved
      }
    }
    return proved;
  }
}

interface ActionEndpoint {
  action: Pick<Endpoint, "restricted">;
  service: { fullName: string };
}

/** What Moleculer knows of all nodes' actions and events, as far as it matters here. */
interface Catalogs {
  actions: { actions: ReadonlyMap<string, { endpoints: ActionEndpoint[] }> };
  events: { events: { name: string; endpoints: { event: Pick<Endpoint, "restricted"> }[] }[] };
}

const mayReach = (service: string, { restricted }: Pick<Endpoint, "restricted">) =>
  Array.isArray(restricted) && restricted.includes(service);

/** Packets are whatever somebody has written to the bus. */
const isInfo = ({ metadata, sender, services }: NodeInfo) =>
  isText(sender) &&
  typeof metadata === "object" &&
  metadata !== null &&
  typeof (metadata.serviceProofs ?? {}) === "object" &&
  Array.isArray(services) &&
  services.every((service) => isText((service as { name?: unknown } | null)?.name));

const isText = (value: unknown): value is string => typeof value === "string";
