import { LRUCache } from "lru-cache";
import type { Caller } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";

/** How long a username is kept, in milliseconds: the event `user.renamed` may have been lost. */
const MAX_AGE = 10_000;
/** The most usernames that are kept. */
const CAPACITY = 10_000;

/**
 * The current usernames of authors, which the service `users` is asked for. They are kept for a few seconds: most messages
 * have the author of another one.
 */
export class Usernames {
  /** By user id. A promise, so that a name that is asked for during a change is not kept after it. */
  readonly #names = new LRUCache<string, Promise<{ username: string | undefined }>>({
    max: CAPACITY,
    ttl: MAX_AGE,
  });

  /**
   * The current username of the token's user. The username in the token may have changed and belong to another account
   * since. An account of a trusted issuer is unknown to the service `users`: its name is the one in the token.
   */
  async of(
    ctx: Caller,
    { sub, username }: Pick<AccessTokenClaims, "sub" | "username">,
  ): Promise<string> {
    let asked = this.#names.get(sub);
    if (!asked) {
      asked = ask(ctx, sub);
      this.#names.set(sub, asked);
      asked.catch(() => this.forget(sub));
    }
    return (await asked).username ?? username;
  }

  /** The user has a new name. */
  forget(id: string): void {
    this.#names.delete(id);
  }

  /** Events about new names may have been lost. */
  forgetAll(): void {
    this.#names.clear();
  }
}

async function ask(ctx: Caller, id: string): Promise<{ username: string | undefined }> {
  try {
    return await ctx.call("users.name", { id });
  } catch (error) {
    if (error instanceof CitadelError && error.type === "NotFound") return { username: undefined };
    throw error;
  }
}
