import type { RevokedCredential } from "../authority/grant.ts";

/** The revoked credentials whose identities may be unexpired. */
export class Revocations {
  /** By credential: when its last identity expires, in milliseconds since the epoch. */
  readonly #revoked = new Map<string, number>();

  has(credential: string): boolean {
    return this.#revoked.has(credential);
  }

  /**
   * Adds the revocations that a guard has sent.
   *
   * @param now guard time in milliseconds since the epoch
   * @returns the credentials that were not known to be revoked
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
