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
 * The time from the publication of a key to its first signature, in seconds. In this time every node of auth reads the
 * key, and every verifier may fetch an unknown `kid` again (lib/tokens/key-set.ts).
 */
const PUBLICATION_LEAD = 15;
/** The time between two checks for keys of other nodes, in milliseconds. */
export const CHECK_INTERVAL = 5_000;

export interface SigningKeysOptions {
  repository: SigningKeysRepository;
  encryption: Encryption;
  /** The algorithm of new keys. */
  alg: Algorithm;
  /** The age at which a key is replaced, in seconds. */
  maxAge: number;
}

interface LoadedKey {
  key: SigningKey;
  /** By this process's monotonic clock, in milliseconds. */
  signsFrom: number;
}

/** Binds an encrypted key to its row (authenticated data). */
const encryptionContextOf = (kid: string) => `signing key ${kid}`;

/**
 * The keys that sign access tokens, in memory. Each is published for a while before it signs, and until the tokens
 * that it has signed have expired.
 */
export class SigningKeys {
  readonly #options: SigningKeysOptions;
  /** In the order in which they sign. */
  #loaded: readonly LoadedKey[] = [];

  constructor(options: SigningKeysOptions) {
    this.#options = options;
  }

  /**
   * Loads the keys. Creates one if the newest is missing, too old, or for another algorithm.
   *
   * @param isAlone no other node verifies tokens, so a new key signs at once
   * @throws Error with instructions if a stored key cannot be decrypted
   */
  async open(isAlone: boolean): Promise<void> {
    const { alg } = this.#options;
    await this.load();
    const isDue = (newest: StoredKey | undefined) =>
      !newest || newest.alg !== alg || this.#isTooOld(newest);
    await this.#createIf(isDue, isAlone ? 0 : PUBLICATION_LEAD);
  }

  /** Loads the keys. @returns the newest */
  async load(): Promise<StoredKey | undefined> {
    const rows = await this.#options.repository.list();
    const now = performance.now();
    this.#loaded = rows.map((row) => ({
      key: this.#loadedKey(row.kid) ?? this.#decrypt(row),
      signsFrom: now + row.signsIn * 1000,
    }));
    return rows.at(-1);
  }

  /** The key that signs now. @throws Error before the keys are loaded */
  get current(): SigningKey {
    const now = performance.now();
    const [first] = this.#loaded;
    const { key } = this.#loaded.findLast(({ signsFrom }) => signsFrom <= now) ?? first ?? {};
    if (!key) throw new Error("The signing keys are not loaded yet.");
    return key;
  }

  /** All public keys (RFC 7517). */
  get published(): Jwk[] {
    return this.#loaded.map(({ key }) => key.jwk);
  }

  /** Creates the next key, unless a published one does not sign yet. @returns the key that signs next */
  async rotate(): Promise<StoredKey & { isNew: boolean }> {
    const created = await this.#createIf((last) => !last || last.signsIn <= 0, PUBLICATION_LEAD);
    const newest = await this.load();
    if (!newest) throw new Error("There is no signing key.");
    return { ...newest, isNew: created !== undefined };
  }

  /** Loads keys that other nodes have created, and replaces a key that is too old. @returns the key if it created one */
  async check(): Promise<NewKey | undefined> {
    const newest = await this.load();
    if (!newest || !this.#isTooOld(newest)) return undefined;
    return this.#createIf((one) => !one || this.#isTooOld(one), PUBLICATION_LEAD);
  }

  /** Deletes the keys that were replaced more than `seconds` ago. */
  async purge(seconds: number): Promise<void> {
    await this.#options.repository.purge(seconds);
    await this.load();
  }

  #isTooOld({ age }: StoredKey) {
    return age > this.#options.maxAge;
  }

  /** @param isDue decides by the newest key; called again under a lock, since another node may be faster */
  async #createIf(
    isDue: (newest: StoredKey | undefined) => boolean,
    lead: number,
  ): Promise<NewKey | undefined> {
    const { repository } = this.#options;
    const stored = await repository.list();
    if (!isDue(stored.at(-1))) return undefined;
    const key = await this.#generate();
    const isAdded = await repository.add(key, lead, isDue);
    await this.load();
    return isAdded ? key : undefined;
  }

  async #generate(): Promise<NewKey> {
    const { alg, encryption } = this.#options;
    const pem = await generateSigningKey(alg);
    const { kid } = readSigningKey(pem);
    return { kid, alg, privateKey: encryption.encrypt(pem, encryptionContextOf(kid)) };
  }

  #loadedKey(kid: string) {
    return this.#loaded.find(({ key }) => key.kid === kid)?.key;
  }

  #decrypt({ kid, privateKey }: StoredKey): SigningKey {
    try {
      return readSigningKey(this.#options.encryption.decrypt(privateKey, encryptionContextOf(kid)));
    } catch (cause) {
      throw new Error(
        "A signing key in the database cannot be decrypted with AUTH_ENCRYPTION_KEY. If that was replaced, add the " +
          "previous key on a line after the new one. If the previous key is lost, delete the rows of auth.signing_keys: " +
          "auth then creates new keys, and access tokens are refused until they are refreshed.",
        { cause },
      );
    }
  }
}
