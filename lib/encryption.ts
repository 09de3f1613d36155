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

/** Makes a key: 256 bits, base64url. */
export const makeEncryptionKey = () => randomBytes(KEY_BYTES).toString("base64url");

/**
 * What a service encrypts before it stores it, with AES-256-GCM. A text is bound to its context, such as
 * the row that it stands in: moved elsewhere it cannot be read.
 */
export class Encryption {
  /** By id; the first encrypts, the others are on their way out. */
  readonly #keys: ReadonlyMap<string, Buffer>;

  /**
   * @param keys one or more keys, each on a line of its own
   * @throws Error unless there is one, and each has 256 bits in base64url
   */
  constructor(keys: string) {
    const lines = keys.split(/\s+/).filter(Boolean);
    const parsed = lines.map((line) => Buffer.from(line, "base64url"));
    if (parsed.length === 0 || parsed.some(({ length }) => length !== KEY_BYTES))
      throw new Error("An encryption key must be 32 bytes in base64url.");
    this.#keys = new Map(parsed.map((key) => [idOf(key), key]));
  }

  /** The ids of the keys, in their order. What was encrypted with one begins with its id and a dot. */
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
   * What follows from a text and the key, always the same: 256 bits in base64url that nobody can guess
   * who lacks either (HMAC-SHA-256, with a key of the context's own by RFC 5869).
   */
  derive(text: string, context: string): string {
    const [[, key] = ["", Buffer.alloc(0)]] = this.#keys;
    const own = hkdfSync("sha256", key, "", context, KEY_BYTES);
    return createHmac("sha256", Buffer.from(own)).update(text).digest("base64url");
  }

  /** @throws Error for what was changed, moved, or encrypted with another key */
  decrypt(encrypted: string, context: string): string {
    const [id = "", sealed = ""] = encrypted.split(".");
    const key = this.#keys.get(id);
    if (!key)
      throw new Error(`The encryption key ${id}, which this was encrypted with, is missing.`);
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
