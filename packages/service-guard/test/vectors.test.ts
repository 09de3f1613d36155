import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeKeyOf } from "../fuzz/nodes.ts";
import { type Exchange, openExchange, openGrant } from "../src/bus/exchange.ts";
import { counterOf, direction, open, pairID, pairOf, seal } from "../src/bus/frame.ts";
import { encodeHello, decodeHello } from "../src/bus/hello.ts";
import { dataKey, derive, exchangeInfo, type SealKey } from "../src/bus/key-schedule.ts";
import { nodeIDOf } from "../src/bus/node-id.ts";
import { sharedSecret } from "../src/bus/node-key.ts";
import { decodeRecords } from "../src/bus/records.ts";
import { credentialMac } from "../src/tokens/credential.ts";

// vectors.py creates these from the description of the protocol, and shares no code with the package.
const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "vectors.json"), "utf8"));
const bytes = (hex: string) => Buffer.from(hex, "hex");
const hex = ({ key, iv }: SealKey) => ({
  key: key.export().toString("hex"),
  iv: iv.toString("hex"),
});
const { namespace } = vectors;
const [users, guard] = [vectors.users, vectors.guard].map(({ private: key, nodeID }) => {
  const own = nodeKeyOf(bytes(key));
  return { own, nodeID, publicKey: own.publicKey };
}) as [End, End];
interface End {
  own: ReturnType<typeof nodeKeyOf>;
  nodeID: string;
  publicKey: Buffer;
}
const secret = bytes(vectors.secret);

describe("The test vectors of the protocol", () => {
  it("have the keys, key ids and node ids of the private keys", () => {
    for (const [service, { own }] of [
      ["users", users],
      ["guard", guard],
    ] as const) {
      const { public: publicKey, kid, nodeID } = vectors[service];
      expect(own.publicKey).toEqual(bytes(publicKey));
      expect(own.kid).toEqual(bytes(kid));
      expect(nodeIDOf(service, own.publicKey)).toBe(nodeID);
    }
  });

  it("have the secret and the keys of both directions", () => {
    expect(sharedSecret(users.own, guard.publicKey)).toEqual(secret);
    expect(sharedSecret(guard.own, users.publicKey)).toEqual(secret);
    expect(hex(dataKey(secret, namespace, users, guard))).toEqual(vectors.usersToGuard);
    expect(hex(dataKey(secret, namespace, guard, users))).toEqual(vectors.guardToUsers);
  });

  it("have the DATA frame that this implementation seals, and its records", () => {
    const { counter, nonce, plaintext, frame } = vectors.data;
    const key = dataKey(secret, namespace, users, guard);
    const to = direction(users.own.kid, guard.own.kid, key);
    expect(seal(to, counter, bytes(plaintext)).toString("hex")).toBe(frame);
    expect(to.nonce.toString("hex")).toBe(nonce);
    expect(pairOf(bytes(frame))).toBe(pairID(users.own.kid, guard.own.kid));
    expect(counterOf(bytes(frame))).toBe(counter);
    const opened = open(to, counter, bytes(frame));
    const records = decodeRecords(opened!)!.map(({ name, content }) => [name, String(content)]);
    expect(records).toEqual([
      ["PING", '{"ver":"5"}'],
      ["GUARD_STATE", "{}"],
    ]);
  });

  it("have an EXCHANGE that the guard opens, and the MACs of its credential", () => {
    const { json, frame, key, iv } = vectors.exchange;
    const opened = openExchange(namespace, guard.own, guard.nodeID, bytes(frame));
    expect(opened?.content).toEqual(json);
    const { binding, secret: credential, mac, proof } = vectors.credential;
    expect(opened?.exchange.binding.toString("hex")).toBe(binding);
    expect(opened?.exchange.senderKey).toEqual(users.publicKey);
    const info = exchangeInfo(namespace, users.publicKey, guard);
    expect(hex(derive(secret, bytes(frame).subarray(44, 60), info))).toEqual({ key, iv });
    const holder = createSecretKey(bytes(credential));
    expect(credentialMac(holder, "", bytes(binding), users.nodeID)).toBe(mac);
    expect(credentialMac(holder, "grant", bytes(binding), users.nodeID)).toBe(proof);
    expect(json.credentials).toEqual([["name", mac]]);
  });

  it("have a GRANT that opens for this EXCHANGE", () => {
    const exchange: Exchange = {
      binding: bytes(vectors.credential.binding),
      senderKey: users.publicKey,
      secret,
      guard,
      frame: bytes(vectors.exchange.frame),
    };
    const { frame, json } = vectors.grant;
    expect(openGrant(namespace, exchange, bytes(frame))).toEqual(json);
  });

  it("have the HELLO that this implementation makes", () => {
    const { json, frame } = vectors.hello;
    expect(encodeHello(json).toString("hex")).toBe(frame);
    expect(decodeHello(bytes(frame))).toEqual(json);
  });
});
