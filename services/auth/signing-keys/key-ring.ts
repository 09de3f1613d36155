import type { Encryption } from "../../../lib/encryption.ts";
import type { Algorithm } from "../../../lib/tokens/jwt.ts";
import type { Jwk } from "../../../lib/tokens/key-set.ts";
import {
  generateSigningKey,
  readSigningKey,
  type SigningKey,
} from "../../../lib/tokens/signing-key.ts";
import type { NewKey, SigningKeysRepository, StoredKey } from "./signing-keys.repository.ts";

/**
 * How long a key is published before it signs, in seconds: longer than the other nodes of auth take to
 * read it, and than a verifier that has just met an unknown `kid` takes to ask again (lib/tokens/key-set.ts).
 */
const LEAD = 15;
/** How often each node looks for what other nodes have made, in milliseconds. */
export const LOOK_INTERVAL = 5_000;

export interface KeyRingOptions {
  repository: SigningKeysRepository;
  encryption: Encryption;
  /** What new keys are for. */
  alg: Algorithm;
  /** The age at which a key is replaced, in seconds. */
  maxAge: number;
}

interface Held {
  key: SigningKey;
  /** On the clock of this process, in milliseconds. */
  startsAt: number;
}

/** A row's key can be read in that row only. */
const contextOf = (kid: string) => `signing key ${kid}`;

/**
 * The keys that access tokens are signed with, in memory. Each is published for a while before it signs,
 * and as long as tokens live that it has signed.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  /** In the order in which they sign. */
  #held: readonly Held[] = [];

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /**
   * Reads the keys, and makes one if there is none, none of this algorithm, or none that is young enough.
   *
   * @param isAlone does no other node verify tokens? Then a new key signs at once
   * @throws Error that says what to do if the stored keys cannot be read
   */
  async open(isAlone: boolean): Promise<void> {
    const { alg } = this.#options;
    await this.load();
    await this.#renew((last) => !last || last.alg !== alg || this.#isOld(last), isAlone ? 0 : LEAD);
  }

  /** Reads the keys. @returns the last of them */
  async load(): Promise<StoredKey | undefined> {
    const rows = await this.#options.repository.list();
    const now = performance.now();
    this.#held = rows.map((row) => ({
      key: this.#known(row.kid) ?? this.#read(row),
      startsAt: now + row.startsIn * 1000,
    }));
    return rows.at(-1);
  }

  /** The key that signs now. */
  get current(): SigningKey {
    const now = performance.now();
    const [first] = this.#held;
    const { key } = this.#held.findLast(({ startsAt }) => startsAt <= now) ?? first ?? {};
    if (!key) throw new Error("The signing keys are not read yet.");
    return key;
  }

  /** All public keys (RFC 7517). */
  get published(): Jwk[] {
    return this.#held.map(({ key }) => key.jwk);
  }

  /** Makes the next key, unless one waits already. @returns the one that signs next; was it made now? */
  async rotate(): Promise<StoredKey & { isMade: boolean }> {
    const made = await this.#renew((last) => !last || last.startsIn <= 0, LEAD);
    const last = await this.load();
    if (!last) throw new Error("There is no signing key.");
    return { ...last, isMade: made !== undefined };
  }

  /** Sees what other nodes have made. @returns the next key, if the last is too old and one was made here */
  async look(): Promise<NewKey | undefined> {
    const last = await this.load();
    if (!last || !this.#isOld(last)) return undefined;
    return this.#renew((one) => !one || this.#isOld(one), LEAD);
  }

  /** Deletes the keys that others took over from more than `seconds` ago: none of their tokens lives. */
  async purge(seconds: number): Promise<void> {
    await this.#options.repository.purge(seconds);
    await this.load();
  }

  #isOld({ age }: StoredKey) {
    return age > this.#options.maxAge;
  }

  async #renew(
    isDue: (last: StoredKey | undefined) => boolean,
    lead: number,
  ): Promise<NewKey | undefined> {
    const { repository } = this.#options;
    const stored = await repository.list();
    if (!isDue(stored.at(-1))) return undefined;
    const key = await this.#make();
    const isAdded = await repository.add(key, lead, isDue);
    await this.load();
    return isAdded ? key : undefined;
  }

  async #make(): Promise<NewKey> {
    const { alg, encryption } = this.#options;
    const pem = await generateSigningKey(alg);
    const { kid } = readSigningKey(pem);
    return { kid, alg, privateKey: encryption.encrypt(pem, contextOf(kid)) };
  }

  #known(kid: string) {
    return this.#held.find(({ key }) => key.kid === kid)?.key;
  }

  #read({ kid, privateKey }: StoredKey): SigningKey {
    try {
      return readSigningKey(this.#options.encryption.decrypt(privateKey, contextOf(kid)));
    } catch (cause) {
      throw new Error(
        "A signing key in the database cannot be read: AUTH_ENCRYPTION_KEY is not what it was stored " +
          "with. Put that key back, on a line of its own behind a newer one. If it is lost, delete what " +
          "is in auth.signing_keys: new keys are made, and access tokens are refused until refreshed.",
        { cause },
      );
    }
  }
}
