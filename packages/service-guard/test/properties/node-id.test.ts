import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHello, encodeHello } from "../../src/bus/hello.ts";
import { isNodeIDOf, nodeIDOf, prefixOf } from "../../src/bus/node-id.ts";
import { kidOf } from "../../src/bus/node-key.ts";

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => Buffer.from(key));
const service = fc.stringMatching(/^[A-Za-z][\w-]{0,20}(\.[\w-]{1,20}){0,2}$/);

/** Base32 by long division instead of bit shifts. */
function base32(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString("hex")}`) << 4n;
  let text = "";
  for (let at = 0; at < 52; at++) {
    text = "abcdefghijklmnopqrstuvwxyz234567".charAt(Number(rest % 32n)) + text;
    rest /= 32n;
  }
  return text;
}

describe("A node id", () => {
  it("consists of the service and 26 base32 characters of its key's SHA-256", () => {
    fc.assert(
      fc.property(service, publicKey, (name, key) => {
        const digest = createHash("sha256").update(key).digest();
        const nodeID = nodeIDOf(name, key);
        expect(nodeID).toBe(`${name}.${base32(digest).slice(0, 26)}`);
        expect(prefixOf(nodeID)).toBe(name);
        expect(isNodeIDOf(nodeID, key)).toBe(true);
      }),
    );
  });

  it("is derived from one key only", () => {
    fc.assert(
      fc.property(service, publicKey, fc.nat(255), (name, key, bit) => {
        const other = Buffer.from(key);
        other[bit >> 3]! ^= 1 << (bit & 7);
        expect(isNodeIDOf(nodeIDOf(name, key), other)).toBe(false);
        expect(kidOf(other)).not.toEqual(kidOf(key));
      }),
    );
  });

  it("becomes part of a subject only if it is short and well-formed", () => {
    const digest = "a".repeat(26);
    for (const nodeID of [
      `${"x".repeat(5_000)}.${digest}`,
      `users.>.${digest}`,
      `users.*.${digest}`,
      `users .${digest}`,
      `users\n.${digest}`,
      `users.${digest}\n`,
      `.${digest}`,
      `users..${digest}`,
      digest,
      "",
    ]) {
      expect(prefixOf(nodeID)).toBeUndefined();
      expect(decodeHello(encodeHello({ nodeID, identities: [] }))).toBeUndefined();
    }
  });
});

describe("A key id", () => {
  it("is the first 8 bytes of the key's SHA-256", () => {
    fc.assert(
      fc.property(publicKey, (key) => {
        expect(kidOf(key).toString("hex")).toBe(
          createHash("sha256").update(key).digest("hex").slice(0, 16),
        );
      }),
    );
  });
});
