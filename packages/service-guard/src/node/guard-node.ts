import type { ServiceBroker } from "moleculer";
import type { GuardAuthority } from "../authority/authority.ts";
import type { GuardState, RefusalReason } from "../authority/grant.ts";
import type { KeyRing } from "../bus/key-ring.ts";
import type { SealedBus } from "../bus/sealed-bus.ts";
import { Statistics } from "../bus/statistics.ts";
import type { Identity } from "../tokens/identity-token.ts";
import { TrustedKeys } from "../tokens/published-keys.ts";
import { GuardClock } from "./clock.ts";
import { Enrolment } from "./enrolment.ts";
import { KeyRotation } from "./key-rotation.ts";
import { OwnIdentities } from "./own-identities.ts";
import { Reports } from "./reports.ts";
import { Revocations } from "./revocations.ts";

export interface GuardNodeOptions {
  nodeID: string;
  keys: KeyRing;
  credential: (service: string) => string | undefined;
  /** How long a key of this process is used, in milliseconds. */
  keyLifetime: number;
  mayReceive: (event: string, service: string) => boolean;
}

/** How often identities are looked after, in milliseconds. */
const INTERVAL = 1_000;

/** What one process knows: its keys, its identities, and what the guard has told. */
export class GuardNode {
  readonly keys: KeyRing;
  readonly clock = new GuardClock();
  readonly trusted = new TrustedKeys();
  readonly identities = new OwnIdentities(this.clock);
  readonly revocations = new Revocations();
  readonly statistics: Statistics;
  readonly enrolment = new Enrolment(this);
  readonly rotation: KeyRotation;
  readonly logger: ServiceBroker["logger"];
  readonly reports: Reports;
  /** Where the broker has a transporter. */
  bus: SealedBus | undefined;
  readonly #broker: ServiceBroker;
  readonly #options: GuardNodeOptions;
  #timer: NodeJS.Timeout | undefined;
  #authority: GuardAuthority | undefined;

  constructor(broker: ServiceBroker, options: GuardNodeOptions) {
    this.#broker = broker;
    this.#options = options;
    this.keys = options.keys;
    this.logger = broker.getLogger("guard");
    this.reports = new Reports(this.logger);
    this.statistics = new Statistics((reason) => this.reports.countRefusal(broker, reason));
    this.rotation = new KeyRotation(this, options.keyLifetime);
  }

  get nodeID(): string {
    return this.#options.nodeID;
  }

  get namespace(): string {
    return this.#broker.namespace;
  }

  /** The guard of this process, if it runs here. */
  get authority(): GuardAuthority | undefined {
    return this.#authority;
  }

  /** May the service receive the event? */
  mayReceive(event: string, service: string): boolean {
    return this.#options.mayReceive(event, service);
  }

  /** The tokens of the key that is about to replace the current one. */
  get nextTokens(): readonly string[] {
    return this.rotation.nextTokens;
  }

  start(): void {
    this.enrolment.start();
    this.rotation.start();
    this.#timer = setInterval(() => this.#lookAfter(), INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.enrolment.stop();
    this.rotation.stop();
  }

  /** Called when the guard of this process has started. */
  authorityStarted(authority: GuardAuthority): void {
    this.#authority = authority;
    for (const kid of authority.kids) this.trusted.addAnchor(kid);
    this.trusted.offer(authority.publishedKeys, this.clock.now());
    this.#stopListening = authority.onRevoked(() => void this.#revokedHere());
    this.enrolment.now();
  }

  authorityStopped(): void {
    this.#stopListening();
    this.#authority = undefined;
  }

  #stopListening: () => void = () => {};

  async #revokedHere(): Promise<void> {
    // who loses its identity by it is told, too
    const peers = [...(this.bus?.peers.living() ?? [])];
    try {
      const state = await this.authority?.state();
      if (state) this.takeState(state);
      await this.bus?.tellGuardState(peers);
    } catch (error) {
      this.logger.warn(
        { err: error },
        "The guard's store is unavailable; renewals tell of revocations.",
      );
    }
  }

  #lookAfter(): void {
    this.identities.expire();
    this.bus?.expire();
    this.bus?.lookAround((nodeID) => this.#broker.registry.nodes.get(nodeID)?.available ?? false);
  }

  /** The services of this process that may have a credential. */
  serviceNames(): string[] {
    return this.#broker.services
      .map(({ fullName }) => fullName)
      .filter((name) => !name.startsWith("$"));
  }

  credentialOf(service: string): string | undefined {
    const own = this.#options.credential(service);
    if (own !== undefined || service !== "guard" || !this.#authority) return own;
    // the process that holds the signing key needs no credential from outside
    this.#ownCredential ??= this.#authority.generateOwn();
    return this.#ownCredential;
  }

  #ownCredential: string | undefined;

  /** Takes over what a guard has told on its own channel. */
  takeState({ keys, revoked }: Partial<GuardState>): void {
    const now = this.clock.now();
    const hasRetired = keys !== undefined && this.trusted.replace(keys, now);
    const fresh = Array.isArray(revoked) ? this.revocations.add(revoked, now) : new Set<string>();
    for (const service of this.identities.revoke(fresh)) this.reportRefused(service, "revoked");
    if (hasRetired || fresh.size > 0) this.bus?.expire();
    // the identity that a retired key has signed is worth nothing to others
    if (hasRetired) this.enrolment.now();
  }

  /** Says once which services of this process have no credential. */
  reportMissingCredentials(): void {
    const missing = this.serviceNames().filter((name) => this.credentialOf(name) === undefined);
    if (missing.length > 0) this.reports.withoutCredential(missing);
  }

  /** Tells the other nodes of new identities. */
  announceRenewed(identities: readonly Identity[], isFirst: boolean, hasNewService: boolean): void {
    if (!this.bus) return;
    if (isFirst) return this.bus.announce();
    this.bus.tellIdentities(identities.map(({ token }) => token));
    if (hasNewService) this.bus.tellServices();
  }

  /** Replaces this process's key before it has sealed too much. */
  rotateSoon(): void {
    this.rotation.now();
  }

  reportRefused(service: string, reason: RefusalReason): void {
    if (this.identities.refuse(service, reason)) this.reports.credentialRefused(service, reason);
  }
}
