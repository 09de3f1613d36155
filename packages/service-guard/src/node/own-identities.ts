import type { GuardErrorType } from "../errors.ts";
import type { RefusalReason } from "../authority/grant.ts";
import { type Identity, isLiving } from "../tokens/identity-token.ts";
import type { GuardClock } from "./clock.ts";

/** The identities of this process's services. */
export class OwnIdentities {
  readonly #clock: GuardClock;
  readonly #held = new Map<string, Identity>();
  /** Those that are valid, as of the last look: a call asks for no time. */
  readonly #live = new Set<string>();
  readonly #refused = new Map<string, RefusalReason>();

  constructor(clock: GuardClock) {
    this.#clock = clock;
  }

  /** Has the service an identity that is valid now? */
  isLive(service: string): boolean {
    return this.#live.has(service);
  }

  /** Why no service has an identity that is valid now; undefined: one has, or none ever had. */
  get lapse(): GuardErrorType | undefined {
    if (this.#live.size > 0) return undefined;
    if (this.#refused.size > 0) return "ServiceTokenInvalid";
    return this.#held.size > 0 ? "GuardNotAccessible" : undefined;
  }

  /** Ends the identities whose time is over. */
  expire(): void {
    const now = this.#clock.now();
    for (const service of this.#live) {
      const identity = this.#held.get(service);
      if (!identity || !isLiving(identity, now)) this.#live.delete(service);
    }
  }

  /** Why the guard refuses the service's credential, if it does. */
  refusalOf(service: string): RefusalReason | undefined {
    return this.#refused.get(service);
  }

  /** The identities that are valid now. */
  living(): Identity[] {
    const now = this.#clock.now();
    return [...this.#held.values()].filter((identity) => isLiving(identity, now));
  }

  /** Any of them, valid or not: a former one certifies the node's id. */
  get last(): Identity | undefined {
    return this.#held.values().next().value;
  }

  hold(identity: Identity): void {
    this.#held.set(identity.service, identity);
    this.#live.add(identity.service);
    this.#refused.delete(identity.service);
  }

  /** @returns is this new? */
  refuse(service: string, reason: RefusalReason): boolean {
    this.#held.delete(service);
    this.#live.delete(service);
    const isNew = this.#refused.get(service) !== reason;
    this.#refused.set(service, reason);
    return isNew;
  }

  /** Ends the identities of revoked credentials. @returns the services that had them */
  revoke(credentials: ReadonlySet<string>): string[] {
    const ended = [...this.#held.values()].filter(({ credential }) => credentials.has(credential));
    for (const { service } of ended) this.refuse(service, "revoked");
    return ended.map(({ service }) => service);
  }
}
