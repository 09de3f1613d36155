import { describe, expect, it } from "vitest";
import { Encryption, makeEncryptionKey } from "../../lib/encryption.ts";

describe("Encryption", () => {
  const [old, current] = [makeEncryptionKey(), makeEncryptionKey()];

  it("decrypts a ciphertext in its context with any of the keys", () => {
    const written = new Encryption(old).encrypt("a secret", "row 1");
    expect(written).not.toContain("secret");
    expect(new Encryption(`${current}\n${old}\n`).decrypt(written, "row 1")).toBe("a secret");
  });

  it("refuses a ciphertext that was moved, changed, or encrypted with another key", () => {
    const encryption = new Encryption(old);
    const written = encryption.encrypt("a secret", "row 1");
    expect(() => encryption.decrypt(written, "row 2")).toThrow(/authenticate/);
    const at = written.length - 5;
    const flipped = written[at] === "A" ? "B" : "A";
    const changed = written.slice(0, at) + flipped + written.slice(at + 1);
    expect(() => encryption.decrypt(changed, "row 1")).toThrow(/authenticate/);
    expect(() => new Encryption(current).decrypt(written, "row 1")).toThrow(/missing/);
  });

  it("encrypts equal texts to different ciphertexts", () => {
    const encryption = new Encryption(current);
    expect(encryption.encrypt("same", "row")).not.toBe(encryption.encrypt("same", "row"));
  });

  it("derives a value that depends on the first key, the text and the context", () => {
    const derived = new Encryption(current).derive("a text", "one use");
    expect(Buffer.from(derived, "base64url")).toHaveLength(32);
    expect(new Encryption(`${current}\n${old}`).derive("a text", "one use")).toBe(derived);
    for (const [key, text, use] of [
      [old, "a text", "one use"],
      [current, "another text", "one use"],
      [current, "a text", "another use"],
    ] as const)
      expect(new Encryption(key).derive(text, use)).not.toBe(derived);
  });

  it.each(["", "short", "x".repeat(43) + "\nshort"])("refuses the key %j", (key) => {
    expect(() => new Encryption(key)).toThrow(/32 bytes/);
  });
});
