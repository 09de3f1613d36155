/** The most keys that may live for one credential: nodes, and both keys of a node that rotates its own. */
const MAX_KEYS = 200;

/** The keys that identities were issued for, by credential, while these live. */
export class LivingKeys {
  readonly #byCredential = new Map<string, Map<string, number>>();

  /**
   * Notes a key.
   *
   * @param expiresAt when its identity ends, in milliseconds since the epoch
   * @returns false: the credential has too many already
   */
  add(credential: string, kid: string, expiresAt: number): boolean {
    const keys = this.#byCredential.get(credential) ?? new Map<string, number>();
    if (!keys.has(kid) && keys.size >= MAX_KEYS) {
      const now = Date.now();
      for (const [known, end] of keys) if (end <= now) keys.delete(known);
      if (keys.size >= MAX_KEYS) return false;
    }
    this.#byCredential.set(credential, keys.set(kid, expiresAt));
    return true;
  }
}
