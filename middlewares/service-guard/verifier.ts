import type { KeyObject } from "node:crypto";
import { LRUCache } from "lru-cache";
import { CitadelError } from "../../lib/errors.ts";
import { readHeader, TokenError, type VerificationKey, verifyJwt } from "../../lib/tokens/jwt.ts";
import { type EndorsedKeys, trustedKeys } from "../../lib/tokens/key-endorsement.ts";
import { type Jwk, KeySet, toKeyObject } from "../../lib/tokens/key-set.ts";
import {
  CALL_TOKEN_TYPE,
  type CallTokenClaims,
  GUARD_ISSUER,
  MAX_CALL_TOKEN_LIFETIME,
  readCredential,
} from "../../lib/tokens/service-token.ts";

export interface VerifierOptions {
  /** The credentials that this process holds. The key that they hang on is the one it trusts. */
  credentials: () => readonly string[];
  /** Gets the guard's published keys. */
  fetchKeys: () => Promise<EndorsedKeys>;
}

/** What a call token proves. */
export interface Verdict {
  /** The service that calls. */
  caller: string;
  /** The credential that its token was had for. */
  credential: string;
  /** The key that the caller proves its requests with. */
  key: KeyObject;
  audience: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** After how long the guard is asked for its keys again, so that one that was taken out ends, in milliseconds. */
const MAX_KEY_AGE = 600_000;

/**
 * The callee's side: checks call tokens against the guard's public keys, once, and remembers the
 * verdict until the token ends.
 *
 * Whoever answers for the guard, only a key whose thumbprint (RFC 7638) stands as `kid` in a credential
 * of our own is believed, or one that such a key vouches for: the credential, which came by a safe
 * way, is the anchor of trust.
 */
export class Verifier {
  readonly #verdicts = new LRUCache<string, Verdict>({ max: 10_000 });
  readonly #revoked = new LRUCache<string, true>({
    max: 10_000,
    ttl: MAX_CALL_TOKEN_LIFETIME * 1e3,
  });
  readonly #options: VerifierOptions;
  readonly #keys: KeySet;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#keys = new KeySet({
      fetch: async () => ({ keys: this.#trusted(await options.fetchKeys()) }),
      maxAge: MAX_KEY_AGE,
    });
  }

  #trusted(published: EndorsedKeys) {
    const anchors = this.#options.credentials().map((own) => readCredential(own).guardKid);
    return trustedKeys(published, new Set(anchors));
  }

  /** Takes keys that a node announces, as far as they can be trusted. @returns were any of them new? */
  learn(published: EndorsedKeys): boolean {
    const unknown = this.#trusted(published).filter(({ kid }) => !this.#keys.cached(kid));
    this.#keys.learn(unknown);
    return unknown.length > 0;
  }

  /** Refuses the tokens of a credential from now on. */
  revoke(credential: string): void {
    this.#revoked.set(credential, true);
  }

  /** Is the key of this token here, so that `verify` answers at once? */
  knowsKeyOf(token: string): boolean {
    try {
      return this.#keys.cached(readHeader(token, CALL_TOKEN_TYPE).kid) !== undefined;
    } catch {
      return true;
    }
  }

  /**
   * What this token proves; at once where the verdict or the key is cached.
   *
   * @throws CitadelError ServiceTokenInvalid or GuardNotAccessible
   */
  verify(token: string, audience: string): Verdict | Promise<Verdict> {
    const verdict = this.#verdicts.get(token);
    if (verdict && verdict.expiresAt > Date.now() && verdict.audience === audience)
      return this.#unlessRevoked(verdict);
    try {
      const { kid } = readHeader(token, CALL_TOKEN_TYPE);
      const key = this.#keys.cached(kid);
      if (key) return this.#check(token, audience, key);
      return this.#fetchAndCheck(token, audience, kid);
    } catch (error) {
      throw refusal(error);
    }
  }

  async #fetchAndCheck(token: string, audience: string, kid: string): Promise<Verdict> {
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

  #check(token: string, audience: string, key: VerificationKey): Verdict {
    const { sub, cid, cnf, exp } = verifyJwt(token, key, {
      typ: CALL_TOKEN_TYPE,
      issuer: GUARD_ISSUER,
      audience,
      maxLifetime: MAX_CALL_TOKEN_LIFETIME,
    }) as unknown as CallTokenClaims;
    const verdict = {
      caller: sub,
      credential: cid,
      key: keyOf(cnf),
      audience,
      expiresAt: exp * 1000,
    };
    this.#verdicts.set(token, verdict);
    return this.#unlessRevoked(verdict);
  }

  /** Is a verdict of before still good? */
  isLiving({ expiresAt, credential }: Verdict): boolean {
    return expiresAt > Date.now() && !(this.#revoked.size > 0 && this.#revoked.has(credential));
  }

  #unlessRevoked(verdict: Verdict): Verdict {
    if (this.#revoked.has(verdict.credential)) throw new CitadelError("ServiceTokenInvalid");
    return verdict;
  }
}

/** @throws TokenError unless the token is bound to a key */
function keyOf(cnf: { jwk?: Jwk } | undefined): KeyObject {
  if (cnf?.jwk?.crv !== "P-256") throw new TokenError("bound to no key");
  try {
    return toKeyObject(cnf.jwk);
  } catch {
    throw new TokenError("bound to no key");
  }
}

/** A faulty token, as the caller is told of it. */
export const refusal = (error: unknown) =>
  error instanceof TokenError ? new CitadelError("ServiceTokenInvalid", { cause: error }) : error;
