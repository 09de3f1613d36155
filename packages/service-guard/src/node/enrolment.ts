import { randomBytes } from "node:crypto";
import type { ExchangeRequest, RefusalReason } from "../authority/grant.ts";
import type { Granted } from "../bus/guard-client.ts";
import type { NodeKey } from "../bus/node-key.ts";
import type { OwnNode } from "../bus/own-node.ts";
import type { SealedBus } from "../bus/sealed-bus.ts";
import { GuardError } from "../errors.ts";
import { type Credential, credentialMac, isSameMac, readCredential } from "../tokens/credential.ts";
import { type Identity, verifyIdentity } from "../tokens/identity-token.ts";
import { TokenError } from "../tokens/jwt.ts";

/** The first and the longest interval between retries, in milliseconds. */
const [FIRST_RETRY, LAST_RETRY] = [50, 5_000];
/** How long a call waits for the identity of its service, in milliseconds. */
const WAIT_TIMEOUT = 3_000;

/** The part of `GuardNode` that the enrolment uses. */
interface EnrollingNode extends OwnNode {
  readonly bus: SealedBus | undefined;
  serviceNames(): string[];
  credentialOf(service: string): string | undefined;
  reportRefused(service: string, reason: RefusalReason): void;
  announceRenewed(identities: readonly Identity[], isFirst: boolean, hasNewService: boolean): void;
}

interface Held {
  service: string;
  credential: Credential;
}

/** Requests identity tokens for the credentials of this process's services, and renews them at half of their lifetime. */
export class Enrolment {
  readonly #node: EnrollingNode;
  #timer: NodeJS.Timeout | undefined;
  #retry = FIRST_RETRY;
  /** The time of the first failure since the guard's last response, in milliseconds of the monotonic clock. */
  #failingSince = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #isStopped = true;

  constructor(node: EnrollingNode) {
    this.#node = node;
  }

  start(): void {
    this.#isStopped = false;
    this.#retry = FIRST_RETRY;
    this.now();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Sends a request now, such as for a new service, or when a guard becomes known. */
  now(): void {
    if (!this.#isStopped) void this.#run();
  }

  #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#running ??= this.#attempt().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #attempt(): Promise<void> {
    let delay: number;
    try {
      await this.#enrol();
      this.#retry = FIRST_RETRY;
      this.#failingSince = Number.POSITIVE_INFINITY;
      delay = this.#untilRenewal();
    } catch (error) {
      this.#node.logger.debug({ err: error }, "The request for identity tokens failed; retrying.");
      // before the first success this is no outage: the guard may start later than this node
      if (this.#node.identities.last)
        this.#failingSince = Math.min(this.#failingSince, performance.now());
      delay = this.#retry;
      this.#retry = Math.min(this.#retry * 2, LAST_RETRY);
    }
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), delay * (0.8 + Math.random() * 0.2)).unref();
  }

  /** Half of the remaining lifetime of the identity that expires first, in milliseconds. */
  #untilRenewal(): number {
    const { identities, clock } = this.#node;
    const ends = identities.valid().map(({ expiresAt }) => expiresAt);
    if (ends.length === 0 || ends.length < this.#held().length) return LAST_RETRY;
    return Math.max(FIRST_RETRY, (Math.min(...ends) - clock.now()) / 2);
  }

  #held(): Held[] {
    return this.#node.serviceNames().flatMap((service) => {
      const text = this.#node.credentialOf(service);
      if (text === undefined) return [];
      try {
        return [{ service, credential: readCredential(text) }];
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        this.#node.reportRefused(service, "invalid");
        return [];
      }
    });
  }

  /** Requests an identity token for each service, and sends the tokens to the other nodes. */
  async #enrol(): Promise<void> {
    const held = this.#held();
    if (held.length === 0) return;
    const { keys, identities } = this.#node;
    const isFirst = identities.valid().length === 0;
    const key = keys.current;
    const granted = await this.identitiesFor(key, held);
    // the key was rotated during the request
    if (keys.current !== key) return this.#enrol();
    const hasNewService = granted.some(({ service }) => !identities.isValid(service));
    for (const identity of granted) identities.hold(identity);
    this.#node.announceRenewed(granted, isFirst, hasNewService);
  }

  /**
   * Requests identity tokens for a key.
   *
   * @throws Error if no guard responds, or the response does not prove that the guard knows the credentials
   */
  async identitiesFor(key: NodeKey, held = this.#held()): Promise<Identity[]> {
    const { trusted, nodeID, identities } = this.#node;
    for (const { credential } of held) trusted.addAnchor(credential.guardKid);
    const previous = identities.last?.token;
    const startedAt = performance.now();
    const granted = await this.#ask(key, (binding) => ({
      nodeID,
      credentials: held.map(({ credential: { name, secret } }) => [
        name,
        credentialMac(secret, "", binding, nodeID),
      ]),
      previous,
    }));
    return this.#accept(granted, key, held, performance.now() - startedAt);
  }

  /** Sends a request to the guard in this process, or else to one on the bus. */
  async #ask(key: NodeKey, content: (binding: Buffer) => ExchangeRequest): Promise<Granted> {
    const { authority, bus, namespace, nodeID } = this.#node;
    if (!authority) {
      if (!bus) throw new Error("No guard runs in this process.");
      return bus.client.request(key, content);
    }
    const binding = randomBytes(32);
    const { publicKey } = key;
    const context = { namespace, publicKey, binding, provedNodeID: nodeID };
    return { grant: await authority.exchange(content(binding), context), binding };
  }

  /** Verifies a GRANT: the guard has to prove that it knows each credential. */
  #accept(
    { grant, binding }: Granted,
    key: NodeKey,
    held: readonly Held[],
    roundTrip: number,
  ): Identity[] {
    const { clock, nodeID, statistics } = this.#node;
    const { time, credentials } = grant;
    if (typeof time !== "number" || !Array.isArray(credentials))
      throw new Error("The guard's response is malformed.");
    const proved = held.flatMap((one, at) => {
      const result = credentials[at];
      if (!result || "refused" in result) {
        this.#node.reportRefused(one.service, result?.refused ?? "invalid");
        return [];
      }
      const expected = credentialMac(one.credential.secret, "grant", binding, nodeID);
      if (!isSameMac(expected, result.proof)) throw new Error("The guard has not proved itself.");
      if (result.service !== one.service) {
        this.#node.reportRefused(one.service, "another service's");
        return [];
      }
      return [{ ...one, token: result.identity }];
    });
    if (proved.length === 0) throw new Error("The guard refuses every credential of this node.");
    clock.set(time, roundTrip);
    this.#node.applyGuardState(grant);
    statistics.total.exchanges += 1;
    return proved.map(({ service, token }) => this.#verify(token, service, key));
  }

  #verify(token: string, service: string, key: NodeKey): Identity {
    const { clock, namespace, nodeID, trusted: keys } = this.#node;
    const identity = verifyIdentity(token, { keys, namespace, now: clock.now() });
    const isOurs =
      identity.service === service &&
      identity.nodeID === nodeID &&
      identity.publicKey.equals(key.publicKey);
    if (!isOurs) throw new Error(`The guard issued an identity that is not that of '${service}'.`);
    return identity;
  }

  /**
   * Waits until a service has a valid identity.
   *
   * @param timeout milliseconds
   * @throws GuardError ServiceTokenRequired, ServiceTokenInvalid or GuardNotAccessible
   */
  async ensure(service: string, timeout = WAIT_TIMEOUT): Promise<void> {
    const { identities } = this.#node;
    // only the first calls of an outage wait for the guard; later ones fail at once
    const deadline = Math.min(performance.now(), this.#failingSince) + timeout;
    // once: a request that fails at once, again and again, would let nothing else run, not even the guard's HELLO
    let attempt: Promise<void> | undefined;
    for (;;) {
      if (identities.isValid(service)) return;
      if (this.#node.credentialOf(service) === undefined)
        throw new GuardError("ServiceTokenRequired");
      if (identities.refusalOf(service) !== undefined) throw new GuardError("ServiceTokenInvalid");
      const remaining = deadline - performance.now();
      if (remaining <= 0 || this.#isStopped) throw new GuardError("GuardNotAccessible");
      const soon = Promise.withResolvers<void>();
      const timer = setTimeout(soon.resolve, Math.min(remaining, FIRST_RETRY));
      if (attempt) await soon.promise;
      else await Promise.race([(attempt = this.#run()), soon.promise]);
      clearTimeout(timer);
    }
  }
}
