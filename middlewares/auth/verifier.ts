import { LRUCache } from "lru-cache";
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims } from "../../lib/access-token.ts";
import { CitadelError } from "../../lib/errors.ts";
import { readHeader, TokenError, type VerificationKey, verifyJwt } from "../../lib/jwt.ts";
import { type Jwks, KeySet } from "../../lib/key-set.ts";
import { hashOfSession, type Revocations } from "../../lib/revocations.ts";

export interface AccessTokenRules {
  /** The only issuer and audience. */
  issuer: string;
  tenantId: string;
  environmentId: string;
}

export interface VerifierOptions extends AccessTokenRules {
  /** Gets auth's published keys. */
  fetchKeys: () => Promise<Jwks>;
  revocations: Revocations;
}

/** The longest life of an access token that is believed, in seconds. */
const MAX_LIFETIME = 86_400;

/** What a token proves, and its session as revocations name it. */
interface Verdict {
  claims: AccessTokenClaims;
  session: string;
}

/** Verifies users' access tokens against auth's keys, and remembers each verdict until `exp`. */
export class AccessTokenVerifier {
  readonly #options: VerifierOptions;
  readonly #keys: KeySet;
  readonly #verdicts = new LRUCache<string, Verdict>({ max: 10_000 });

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#keys = new KeySet({ fetch: options.fetchKeys });
  }

  /**
   * The user whom this token speaks for; at once where the verdict or the key is cached.
   *
   * @throws CitadelError of the types for access tokens, each 401, or IdentityServiceNotAccessible
   */
  verify(token: string): AccessTokenClaims | Promise<AccessTokenClaims> {
    const known = this.#verdicts.get(token);
    if (known) return this.#living(known);
    try {
      const { kid } = readHeader(token, ACCESS_TOKEN_TYPE);
      const key = this.#keys.cached(kid);
      return key ? this.#check(token, key) : this.#fetchAndCheck(token, kid);
    } catch (error) {
      throw refusal(error);
    }
  }

  #living(verdict: Verdict): AccessTokenClaims | Promise<AccessTokenClaims> {
    const { revocations } = this.#options;
    const { claims, session } = verdict;
    if (claims.exp * 1000 <= Date.now()) throw new CitadelError("AccessTokenExpired");
    if (revocations.has(session)) throw new CitadelError("AccessTokenRevoked");
    return revocations.isCurrent ? claims : this.#learnAndJudge(verdict);
  }

  async #learnAndJudge(verdict: Verdict): Promise<AccessTokenClaims> {
    await this.#options.revocations.learn().catch((cause: unknown) => {
      throw new CitadelError("IdentityServiceNotAccessible", { cause });
    });
    return this.#living(verdict);
  }

  async #fetchAndCheck(token: string, kid: string): Promise<AccessTokenClaims> {
    const key = await this.#keys.get(kid).catch((cause: unknown) => {
      throw new CitadelError("IdentityServiceNotAccessible", { cause });
    });
    if (!key) throw new CitadelError("SigningKeyNotFound");
    try {
      return await this.#check(token, key);
    } catch (error) {
      throw refusal(error);
    }
  }

  #check(token: string, key: VerificationKey): AccessTokenClaims | Promise<AccessTokenClaims> {
    const { issuer } = this.#options;
    const claims = verifyJwt(token, key, {
      typ: ACCESS_TOKEN_TYPE,
      issuer,
      audience: issuer,
      maxLifetime: MAX_LIFETIME,
    });
    if (!this.#isOurs(claims)) throw new TokenError("not an access token of this deployment");
    const verdict = { claims, session: hashOfSession(claims.sid) };
    this.#verdicts.set(token, verdict);
    return this.#living(verdict);
  }

  #isOurs(claims: Record<string, unknown>): claims is Record<string, unknown> & AccessTokenClaims {
    const { sid, username, roles, permissions, tenantId, environmentId } = claims;
    return (
      tenantId === this.#options.tenantId &&
      environmentId === this.#options.environmentId &&
      typeof sid === "string" &&
      sid !== "" &&
      typeof username === "string" &&
      Array.isArray(roles) &&
      typeof permissions === "object" &&
      permissions !== null
    );
  }
}

const refusal = (error: unknown) =>
  error instanceof TokenError
    ? new CitadelError(
        error.reason === "expired" ? "AccessTokenExpired" : "AccessTokenVerificationFailed",
        { cause: error },
      )
    : error;
