import { LRUCache } from "lru-cache";
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  isSubjectType,
  MAX_LIFETIME,
} from "../../lib/tokens/access-token.ts";
import { CitadelError, type ErrorType } from "../../lib/errors/errors.ts";
import {
  type Claims,
  readHeader,
  readIssuer,
  TokenError,
  type VerificationKey,
  verifyJwt,
} from "../../lib/tokens/jwt.ts";
import { type Jwks, KeySet } from "../../lib/tokens/key-set.ts";
import { remoteKeySet } from "../../lib/tokens/remote-key-set.ts";
import { hashOfSession, type Revocations } from "../../lib/tokens/revocations.ts";
import type { TrustedIssuer } from "../../lib/tokens/trusted-issuer.ts";
import { foreignUser, type OwnRules } from "./foreign-user.ts";

export interface AccessTokenRules extends OwnRules {
  /** Our own issuer, and the audience of its tokens. */
  issuer: string;
  /** Others whose tokens are accepted. */
  trustedIssuers: readonly TrustedIssuer[];
}

export interface VerifierOptions extends AccessTokenRules {
  /** Gets auth's published keys; throws unless auth itself has published them. */
  fetchKeys: () => Promise<Jwks>;
  /** Is told when another issuer's keys cannot be had. */
  onOutage: (issuer: string, error: unknown) => void;
  revocations: Revocations;
}

/** After how long an issuer's keys are asked for again, in milliseconds. */
const MAX_KEY_AGE = 600_000;
/** How long an issuer that failed to answer is left alone, in milliseconds. */
const RETRY_INTERVAL = 5_000;

/** The algorithms of access tokens. */
const ALGORITHMS: ReadonlySet<string> = new Set<VerificationKey["alg"]>(["ES256", "RS256"]);

/** The kinds of token that others give out: RFC 9068's, and what came before it. */
const FOREIGN_TYPES = [ACCESS_TOKEN_TYPE, "JWT"] as const;

/** Somebody whose tokens are accepted, and what they are held to. */
interface Issuer {
  readonly keys: KeySet;
  readonly types: string | readonly string[];
  readonly audience: string;
  /** What it is called when the keys cannot be had. */
  readonly outage: ErrorType;
  /** Null: it is our own. */
  readonly trusted: TrustedIssuer | null;
}

/** What a token proves. */
interface Verdict {
  readonly user: AccessTokenClaims;
  /** As revocations name it. */
  readonly session: string;
  readonly kid: string;
  readonly key: VerificationKey;
  readonly keys: KeySet;
}

/** Verifies users' access tokens against their issuers' keys, and remembers each verdict until `exp`. */
export class AccessTokenVerifier {
  readonly #options: VerifierOptions;
  /** By name. */
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #verdicts = new LRUCache<string, Verdict>({ max: 10_000 });
  /** By user: what another issuer wrote. */
  readonly #foreign = new WeakMap<AccessTokenClaims, object>();

  constructor(options: VerifierOptions) {
    this.#options = options;
    const { issuer, trustedIssuers, fetchKeys, onOutage } = options;
    const own: Issuer = {
      keys: new KeySet({ fetch: fetchKeys, maxAge: MAX_KEY_AGE }),
      types: ACCESS_TOKEN_TYPE,
      audience: issuer,
      outage: "IdentityServiceNotAccessible",
      trusted: null,
    };
    this.#issuers = new Map([
      ...trustedIssuers.map((one) => [one.issuer, toIssuer(one, onOutage)] as const),
      [issuer, own],
    ]);
  }

  /**
   * The user whom this token speaks for; at once where the verdict or the key is cached.
   *
   * @throws CitadelError of the types for access tokens, each 401, or IdentityServiceNotAccessible
   * or JwksError
   */
  verify(token: string): AccessTokenClaims | Promise<AccessTokenClaims> {
    const known = this.#verdicts.get(token);
    // a key that was withdrawn proves nothing any more
    if (known && known.keys.cached(known.kid) === known.key) return this.#living(known);
    try {
      const issuer = this.#issuers.get(readIssuer(token));
      if (!issuer) throw new TokenError("of an issuer that is not trusted");
      const { kid, alg } = readHeader(token, issuer.types);
      if (!ALGORITHMS.has(alg)) throw new TokenError("of an algorithm that is not taken");
      const key = issuer.keys.cached(kid);
      return key
        ? this.#check(token, issuer, { kid, key })
        : this.#fetchAndCheck(token, issuer, kid);
    } catch (error) {
      throw refusal(error);
    }
  }

  /**
   * The verified claims of a user's token as its issuer wrote them: for a user of ours the user itself.
   * They are for showing: what others say of roles and permissions means nothing here.
   */
  claimsOf(user: AccessTokenClaims): Record<string, unknown> {
    return { ...(this.#foreign.get(user) ?? user) };
  }

  #living(verdict: Verdict): AccessTokenClaims | Promise<AccessTokenClaims> {
    const { revocations } = this.#options;
    const { user, session } = verdict;
    if (user.exp * 1000 <= Date.now()) throw new CitadelError("AccessTokenExpired");
    // their sessions are not ours to end
    if (this.#foreign.has(user)) return user;
    const recall = revocations.recallOf(session, user.generation);
    // the next token of the session says what is so now
    if (recall)
      throw new CitadelError(recall === "ended" ? "AccessTokenRevoked" : "AccessTokenExpired");
    return revocations.isCurrent ? user : this.#learnAndJudge(verdict);
  }

  async #learnAndJudge(verdict: Verdict): Promise<AccessTokenClaims> {
    await this.#options.revocations.learn().catch((cause: unknown) => {
      throw new CitadelError("IdentityServiceNotAccessible", { cause });
    });
    return this.#living(verdict);
  }

  async #fetchAndCheck(token: string, issuer: Issuer, kid: string): Promise<AccessTokenClaims> {
    const key = await issuer.keys.get(kid).catch((cause: unknown) => {
      throw new CitadelError(issuer.outage, { cause });
    });
    if (!key) throw new CitadelError("SigningKeyNotFound");
    try {
      return await this.#check(token, issuer, { kid, key });
    } catch (error) {
      throw refusal(error);
    }
  }

  #check(
    token: string,
    { keys, types, audience, trusted }: Issuer,
    { kid, key }: { kid: string; key: VerificationKey },
  ): AccessTokenClaims | Promise<AccessTokenClaims> {
    const claims = verifyJwt(token, key, {
      typ: types,
      issuer: trusted?.issuer ?? this.#options.issuer,
      audience,
      maxLifetime: MAX_LIFETIME,
      isForeign: trusted !== null,
    });
    const user = deepFreeze(
      trusted ? foreignUser(claims, trusted, this.#options) : this.#own(claims),
    );
    if (trusted) this.#foreign.set(user, claims);
    const verdict = { user, session: hashOfSession(user.sid), kid, key, keys };
    this.#verdicts.set(token, verdict);
    return this.#living(verdict);
  }

  /** @throws TokenError unless these are claims of an access token of this deployment */
  #own(claims: Claims & Record<string, unknown>): AccessTokenClaims {
    const { client_id, sid, generation, username, roles, permissions, subjectType } = claims;
    const { tenantId, environmentId } = claims;
    if (
      tenantId === this.#options.tenantId &&
      environmentId === this.#options.environmentId &&
      typeof client_id === "string" &&
      client_id !== "" &&
      typeof sid === "string" &&
      sid !== "" &&
      Number.isSafeInteger(generation) &&
      typeof username === "string" &&
      Array.isArray(roles) &&
      typeof permissions === "object" &&
      permissions !== null &&
      isSubjectType(subjectType)
    )
      return claims as Claims & Record<string, unknown> & AccessTokenClaims;
    throw new TokenError("not an access token of this deployment");
  }
}

function toIssuer(trusted: TrustedIssuer, onOutage: VerifierOptions["onOutage"]): Issuer {
  const fetchKeys = remoteKeySet(trusted.jwksUri);
  const fetch = () =>
    fetchKeys().catch((error: unknown) => {
      onOutage(trusted.issuer, error);
      throw error;
    });
  return {
    keys: new KeySet({ fetch, retryInterval: RETRY_INTERVAL, maxAge: MAX_KEY_AGE }),
    types: FOREIGN_TYPES,
    audience: trusted.audience,
    outage: "JwksError",
    trusted,
  };
}

/** The verdict is everybody's who comes with the same token: no handler may change it for the next. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

const refusal = (error: unknown) =>
  error instanceof TokenError
    ? new CitadelError(
        error.reason === "expired" ? "AccessTokenExpired" : "AccessTokenVerificationFailed",
        { cause: error },
      )
    : error;
