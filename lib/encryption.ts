import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from "node:crypto";

const ALGORITHM = "aes-256-gcm";
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A new key: 256 random bits in base64url. */
export const makeEncryptionKey = () => randomBytes(KEY_BYTES).toString("base64url");

/**
 * Encrypts what a service stores, with AES-256-GCM. The ciphertext is bound to a context, such as the id of its row: moved to
 * another row it cannot be decrypted.
 */
export class Encryption {
  /** By id. The first one encrypts; the others only decrypt. */
  readonly #keys: ReadonlyMap<string, Buffer>;

  /**
   * @param keys one or more keys, each on a line of its own
   * @throws Error if there is none, or one is not 256 bits in base64url
   */
  constructor(keys: string) {
    const lines = keys.split(/\s+/).filter(Boolean);
    const parsed = lines.map((line) => Buffer.from(line, "base64url"));
    if (parsed.length === 0 || parsed.some(({ length }) => length !== KEY_BYTES))
      throw new Error("An encryption key must be 32 bytes in base64url.");
    this.#keys = new Map(parsed.map((key) => [idOf(key), key]));
  }

  /** The ids of the keys, in order. A ciphertext begins with the id of its key and a dot. */
  get keyIds(): string[] {
    return [...this.#keys.keys()];
  }

  encrypt(text: string, context: string): string {
    const [[id, key] = ["", Buffer.alloc(0)]] = this.#keys;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final()]);
    return `${id}.${Buffer.concat([sealed, cipher.getAuthTag()]).toString("base64url")}`;
  }

  /**
   * A keyed hash of a text: HMAC-SHA-256 in base64url, with a key that is derived from the first key for the context
   * (HKDF, RFC 5869).
   */
  derive(text: string, context: string): string {
    const [[, key] = ["", Buffer.alloc(0)]] = this.#keys;
    const derived = hkdfSync("sha256", key, "", context, KEY_BYTES);
    return createHmac("sha256", Buffer.from(derived)).update(text).digest("base64url");
  }

  /** @throws Error if the ciphertext was changed or moved, or its key is missing */
  decrypt(encrypted: string, context: string): string {
    const [id = "", sealed = ""] = encrypted.split(".");
    const key = this.#keys.get(id);
    if (!key)
      throw new Error(
        `The encryption key ${id} is missing, so a stored value cannot be decrypted.`,
      );
    const bytes = Buffer.from(sealed, "base64url");
    const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(-TAG_BYTES)];
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(context))
      .setAuthTag(tag);
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  }
}

const idOf = (key: Buffer) => createHash("sha256").update(key).digest("base64url").slice(0, 8);
