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
import { pick } from "./pick.ts";
import { Revocations } from "./revocations.ts";

export interface GuardNodeOptions {
  nodeID: string;
  keys: KeyRing;
  credential: (service: string) => string | undefined;
  /** How long a key of this process is used, in milliseconds. */
  keyLifetime: number;
  mayReceive: (event: string, service: string) => boolean;
  /** The keys of a response's meta that reach the caller. */
  responseMeta: readonly string[];
}

/** The interval in which expired identities are removed, in milliseconds. */
const INTERVAL = 1_000;

/** The state of one process: its keys, its identities, and what the guard has sent. */
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
  /** Only if the broker has a transporter. */
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

  /** Only if the guard runs in this process. */
  get authority(): GuardAuthority | undefined {
    return this.#authority;
  }

  /** May the service receive the event? */
  mayReceive(event: string, service: string): boolean {
    return this.#options.mayReceive(event, service);
  }

  /** The part of a response's meta that the caller may see. */
  responseMetaOf(meta: unknown): object {
    return pick(meta, this.#options.responseMeta);
  }

  /** The identity tokens of the next key, while keys are rotated. */
  get nextTokens(): readonly string[] {
    return this.rotation.nextTokens;
  }

  start(): void {
    this.enrolment.start();
    this.rotation.start();
    this.#timer = setInterval(() => this.#maintain(), INTERVAL).unref();
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
    // read first: the node whose credential is revoked is notified too
    const peers = [...(this.bus?.peers.proved() ?? [])];
    try {
      const state = await this.authority?.state();
      if (state) this.applyGuardState(state);
      await this.bus?.sendGuardState(peers);
    } catch (error) {
      this.logger.warn(
        { err: error },
        "The guard's store is unavailable. Nodes learn of the revocation when they renew their identities.",
      );
    }
  }

  #maintain(): void {
    this.identities.expire();
    this.bus?.expire();
    this.bus?.discoverProved(
      (nodeID) => this.#broker.registry.nodes.get(nodeID)?.available ?? false,
    );
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
    // the process that holds the signing key creates its own credential
    this.#ownCredential ??= this.#authority.generateOwn();
    return this.#ownCredential;
  }

  #ownCredential: string | undefined;

  /** Applies the keys and revocations that a guard has sent on its channel. */
  applyGuardState({ keys, revoked }: Partial<GuardState>): void {
    const now = this.clock.now();
    const hasRetired = keys !== undefined && this.trusted.replace(keys, now);
    const fresh = Array.isArray(revoked) ? this.revocations.add(revoked, now) : new Set<string>();
    for (const service of this.identities.revoke(fresh)) this.reportRefused(service, "revoked");
    if (hasRetired || fresh.size > 0) this.bus?.expire();
    // other nodes refuse the identities that the retired key has signed
    if (hasRetired) this.enrolment.now();
  }

  /** Logs which services of this process have no credential. */
  reportMissingCredentials(): void {
    const missing = this.serviceNames().filter((name) => this.credentialOf(name) === undefined);
    if (missing.length > 0) this.reports.withoutCredential(missing);
  }

  /** Sends new identities to the other nodes. */
  announceRenewed(identities: readonly Identity[], isFirst: boolean, hasNewService: boolean): void {
    if (!this.bus) return;
    if (isFirst) return this.bus.announce();
    this.bus.sendIdentities(identities.map(({ token }) => token));
    if (hasNewService) this.bus.announceServices();
  }

  /** Starts to replace this process's key. */
  rotateSoon(): void {
    this.rotation.now();
  }

  reportRefused(service: string, reason: RefusalReason): void {
    if (this.identities.refuse(service, reason)) this.reports.credentialRefused(service, reason);
  }
}
