import type { GuardErrorType } from "../errors.ts";
import type { RefusalReason } from "../authority/grant.ts";
import { type Identity, isUnexpired } from "../tokens/identity-token.ts";
import type { GuardClock } from "./clock.ts";

/** The identities of this process's services. */
export class OwnIdentities {
  readonly #clock: GuardClock;
  readonly #held = new Map<string, Identity>();
  /** The services with a valid identity, as of the last `expire`, so that a call does not read the clock. */
  readonly #valid = new Set<string>();
  readonly #refused = new Map<string, RefusalReason>();

  constructor(clock: GuardClock) {
    this.#clock = clock;
  }

  /** Has the service a valid identity? */
  isValid(service: string): boolean {
    return this.#valid.has(service);
  }

  /** Why no service has a valid identity. Undefined if one has, or if none ever had. */
  get lapse(): GuardErrorType | undefined {
    if (this.#valid.size > 0) return undefined;
    if (this.#refused.size > 0) return "ServiceTokenInvalid";
    return this.#held.size > 0 ? "GuardNotAccessible" : undefined;
  }

  /** Updates which identities are valid. */
  expire(): void {
    const now = this.#clock.now();
    for (const service of this.#valid) {
      const identity = this.#held.get(service);
      if (!identity || !isUnexpired(identity, now)) this.#valid.delete(service);
    }
  }

  /** Why the guard refuses the service's credential, if it does. */
  refusalOf(service: string): RefusalReason | undefined {
    return this.#refused.get(service);
  }

  /** The valid identities. */
  valid(): Identity[] {
    const now = this.#clock.now();
    return [...this.#held.values()].filter((identity) => isUnexpired(identity, now));
  }

  /** Any identity, also an expired one: it certifies the node's id. */
  get last(): Identity | undefined {
    return this.#held.values().next().value;
  }

  hold(identity: Identity): void {
    this.#held.set(identity.service, identity);
    this.#valid.add(identity.service);
    this.#refused.delete(identity.service);
  }

  /** Records that the guard refuses the service's credential. @returns false if the same was recorded before */
  refuse(service: string, reason: RefusalReason): boolean {
    this.#held.delete(service);
    this.#valid.delete(service);
    const isNew = this.#refused.get(service) !== reason;
    this.#refused.set(service, reason);
    return isNew;
  }

  /** Deletes the identities of revoked credentials. @returns their services */
  revoke(credentials: ReadonlySet<string>): string[] {
    const ended = [...this.#held.values()].filter(({ credential }) => credentials.has(credential));
    for (const { service } of ended) this.refuse(service, "revoked");
    return ended.map(({ service }) => service);
  }
}
