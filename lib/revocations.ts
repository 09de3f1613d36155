/** The sessions that were ended while access tokens of theirs may still live. */
export class Revocations {
  /** By session: when its last access token has ended, in seconds since the epoch. */
  readonly #until = new Map<string, number>();

  add(sid: string, until: number): void {
    const now = Date.now() / 1000;
    for (const [id, end] of this.#until) if (end < now) this.#until.delete(id);
    this.#until.set(sid, until);
  }

  has(sid: string): boolean {
    return this.#until.has(sid);
  }
}
