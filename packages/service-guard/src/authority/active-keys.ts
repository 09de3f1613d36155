/** The most keys with unexpired identities for one credential: one for each node, two while a node rotates its key. */
const MAX_KEYS = 200;

/** The keys with unexpired identities, by credential. */
export class ActiveKeys {
  readonly #byCredential = new Map<string, Map<string, number>>();

  /**
   * Adds a key.
   *
   * @param expiresAt when its identity expires, in milliseconds since the epoch
   * @returns false if the credential has too many keys already
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
