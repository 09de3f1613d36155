import { LRUCache } from "lru-cache";
import { CitadelError } from "../../lib/errors.ts";
import { type Claims, readHeader, thumbprint, TokenError, verifyJwt } from "../../lib/jwt.ts";
import { type Jwks, KeySet, toKeyObject } from "../../lib/key-set.ts";
import {
  CALL_TOKEN_TYPE,
  CREDENTIAL_TYPE,
  GUARD_ISSUER,
  MAX_CALL_TOKEN_LIFETIME,
} from "../../lib/service-token.ts";

export interface VerifierOptions {
  /** The credentials that this process holds. The key that signed them is the one it trusts. */
  credentials: () => readonly string[];
  /** Gets the guard's published keys. */
  fetchKeys: () => Promise<Jwks>;
}

/**
 * The callee's side: checks call tokens against the guard's public keys, once, and remembers the
 * verdict until the token ends.
 *
 * Whoever answers for the guard, only a key whose thumbprint (RFC 7638) stands as `kid` in a credential
 * of our own is believed: the credential, which came by a safe way, is the anchor of trust.
 */
export class Verifier {
  readonly #verdicts = new LRUCache<string, Claims>({ max: 10_000 });
  readonly #options: VerifierOptions;
  readonly #keys: KeySet;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#keys = new KeySet({ fetch: () => this.#fetchTrusted() });
  }

  async #fetchTrusted() {
    const trusted = new Set(
      this.#options.credentials().map((token) => readHeader(token, CREDENTIAL_TYPE).kid),
    );
    const { keys } = await this.#options.fetchKeys();
    return {
      keys: keys.filter((jwk) => trusted.has(jwk.kid) && thumbprint(toKeyObject(jwk)) === jwk.kid),
    };
  }

  /**
   * The service that this token speaks for; at once where the verdict or the key is cached.
   *
   * @throws CitadelError ServiceTokenInvalid or GuardNotAccessible
   */
  verify(token: string, audience: string): string | Promise<string> {
    const claims = this.#verdicts.get(token);
    if (claims && claims.exp * 1000 > Date.now() && claims.aud === audience) return claims.sub;
    try {
      const { kid } = readHeader(token, CALL_TOKEN_TYPE);
      const key = this.#keys.cached(kid);
      if (key) return this.#check(token, audience, key);
      return this.#fetchAndCheck(token, audience, kid);
    } catch (error) {
      throw refusal(error);
    }
  }

  async #fetchAndCheck(token: string, audience: string, kid: string): Promise<string> {
    const key = await this.#keys.get(kid).catch((cause: unknown) => {
      throw new CitadelError("GuardNotAccessible", { cause });
    });
    if (!key) throw new CitadelError("ServiceTokenInvalid");
    try {
      return this.#check(token, audience, key);
    } catch (error) {
      throw refusal(error);
    }
  }

  #check(token: string, audience: string, key: Parameters<typeof verifyJwt>[1]): string {
    const claims = verifyJwt(token, key, {
      typ: CALL_TOKEN_TYPE,
      issuer: GUARD_ISSUER,
      audience,
      maxLifetime: MAX_CALL_TOKEN_LIFETIME,
    });
    this.#verdicts.set(token, claims);
    return claims.sub;
  }
}

const refusal = (error: unknown) =>
  error instanceof TokenError ? new CitadelError("ServiceTokenInvalid", { cause: error }) : error;
