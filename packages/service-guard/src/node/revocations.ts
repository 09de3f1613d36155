import type { RevokedCredential } from "../authority/grant.ts";

/** The credentials that were revoked while identities of theirs may live. */
export class Revocations {
  /** Until when, by credential, in milliseconds since the epoch. */
  readonly #revoked = new Map<string, number>();

  has(credential: string): boolean {
    return this.#revoked.has(credential);
  }

  /**
   * Notes what a guard has told.
   *
   * @param now guard time in milliseconds since the epoch
   * @returns those that were not known
   */
  add(revoked: readonly unknown[], now: number): Set<string> {
    for (const [id, until] of this.#revoked) if (until <= now) this.#revoked.delete(id);
    const fresh = new Set<string>();
    for (const one of revoked) {
      const { id, until } = (one ?? {}) as Partial<RevokedCredential>;
      if (typeof id !== "string" || typeof until !== "number" || until <= now) continue;
      if (this.#revoked.has(id)) continue;
      this.#revoked.set(id, until);
      fresh.add(id);
    }
    return fresh;
  }
}
