import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeExchange, makeGrant, openExchange, openGrant } from "../../src/bus/exchange.ts";
import { encodeHello, decodeHello } from "../../src/bus/hello.ts";
import { makeNodeKey } from "../../src/bus/node-key.ts";
import { encodeRecords, RECORD } from "../../src/bus/records.ts";
import { readSigningKeys, makeSigningKey, thumbprint } from "../../src/tokens/signing-key.ts";
import { publishKeys } from "../../src/tokens/published-keys.ts";
import { signIdentity } from "../../src/tokens/identity-token.ts";
import { sealAs, startBus, stateOf, type TestBus } from "../../fuzz/nodes.ts";

let bus: TestBus;
beforeAll(async () => {
  bus = await startBus();
});
afterAll(() => bus.stop());

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
/** Any bytes, with or without the start of a frame. */
const stranger = fc
  .tuple(fc.constantFrom("", "01010000", "01020000", "01030000", "01040000"), bytes)
  .map(([start, rest]) => Buffer.concat([Buffer.from(start, "hex"), rest]));

const flip = (frame: Buffer, bit: number): Buffer => {
  const altered = Buffer.from(frame);
  altered[bit >> 3]! ^= 1 << (bit & 7);
  return altered;
};
const ping = () => encodeRecords([{ type: RECORD.PING, content: Buffer.from("{}") }]);
/** Delivers a frame to a node. @returns was it refused without any other change? */
function isRefused(frame: Buffer): boolean {
  const { users } = bus;
  const before = JSON.stringify(stateOf(users));
  const opened = users.node.statistics.total.framesOpened;
  users.bus.receive(frame);
  expect(JSON.stringify(stateOf(users))).toBe(before);
  return users.node.statistics.total.framesOpened === opened;
}

describe("Bytes that no proved node has sealed for this node", () => {
  it("are refused and change nothing", () => {
    fc.assert(
      fc.property(stranger, (frame) => {
        expect(isRefused(frame)).toBe(true);
      }),
    );
  });

  it("are refused also with the key ids of a pair and a fresh counter", () => {
    const header = sealAs(bus.mallory, bus.users, ping()).subarray(0, 28);
    fc.assert(
      fc.property(bytes, (rest) => {
        expect(isRefused(Buffer.concat([header, rest]))).toBe(true);
      }),
    );
  });

  it("are refused if one bit of a frame is altered, and the frame itself is still accepted", () => {
    const frame = sealAs(bus.mallory, bus.users, ping());
    for (let bit = 0; bit < frame.length * 8; bit++)
      expect(isRefused(flip(frame, bit)), `bit ${bit}`).toBe(true);
    for (let length = 0; length < frame.length; length++)
      expect(isRefused(frame.subarray(0, length)), `${length} bytes`).toBe(true);
    const opened = bus.users.node.statistics.total.framesOpened;
    bus.users.bus.receive(frame);
    expect(bus.users.node.statistics.total.framesOpened).toBe(opened + 1);
    expect(isRefused(frame)).toBe(true);
  });

  it("are refused if the frame was sealed for another node, or is sent back to its sender", () => {
    expect(isRefused(sealAs(bus.mallory, bus.guard, ping()))).toBe(true);
    expect(isRefused(sealAs(bus.users, bus.mallory, ping()))).toBe(true);
  });
});

describe("A HELLO", () => {
  it("is decoded as it was encoded", () => {
    const nodeID = bus.users.broker.nodeID;
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 50 }), (identities) => {
        expect(decodeHello(encodeHello({ nodeID, identities }))).toEqual({ nodeID, identities });
      }),
    );
  });

  it("is ignored if no key of this node's guard has signed its tokens", () => {
    const [signer] = readSigningKeys(makeSigningKey());
    const { namespace } = bus.users.broker;
    const nodeID = bus.mallory.broker.nodeID;
    const { publicKey } = makeNodeKey();
    const token = signIdentity(signer, {
      service: "guard",
      namespace,
      nodeID,
      credential: "c",
      publicKey,
      lifetime: 300,
    });
    const invalid = { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: thumbprint("AA", "AA") };
    for (const keys of [publishKeys([signer]), { keys: [invalid] }, null, 1])
      expect(isRefused(encodeHello({ nodeID, identities: [token], keys: keys as never }))).toBe(
        true,
      );
  });

  it("with a key of low order is refused, although the guard has signed it", () => {
    const { users, guard, mallory } = bus;
    const [signer] = readSigningKeys(bus.signingKey);
    const nodeID = mallory.broker.nodeID;
    const { namespace } = users.broker;
    for (const point of ["00".repeat(32), `01${"00".repeat(31)}`]) {
      const publicKey = Buffer.from(point, "hex");
      const token = signIdentity(signer, {
        service: "x",
        namespace,
        nodeID,
        credential: "c",
        publicKey,
        lifetime: 300,
      });
      expect(isRefused(encodeHello({ nodeID, identities: [token] }))).toBe(true);
    }
    expect(guard.node.identities.isValid("guard")).toBe(true);
  });
});

describe("EXCHANGE and GRANT", () => {
  const namespace = "n";
  const [node, guard, other] = [makeNodeKey(), makeNodeKey(), makeNodeKey()];
  const end = { nodeID: "guard.a", publicKey: guard.publicKey };

  it("are opened by their receiver only, with the content that was sealed", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (content) => {
        const made = makeExchange(namespace, node, end, () => content);
        const opened = openExchange(namespace, guard, end.nodeID, made.frame);
        expect(JSON.stringify(opened?.content)).toBe(JSON.stringify(content));
        expect(opened?.exchange.binding).toEqual(made.binding);
        expect(openExchange(namespace, other, end.nodeID, made.frame)).toBeUndefined();
        expect(openExchange(namespace, guard, "guard.b", made.frame)).toBeUndefined();
        expect(openExchange("m", guard, end.nodeID, made.frame)).toBeUndefined();

        const grant = makeGrant(namespace, opened!.exchange, content);
        expect(JSON.stringify(openGrant(namespace, made, grant))).toBe(JSON.stringify(content));
        const again = makeExchange(namespace, node, end, () => content);
        expect(openGrant(namespace, again, grant)).toBeUndefined();
      }),
    );
  });

  it("are refused if one bit is altered, or they are cut off", () => {
    const made = makeExchange(namespace, node, end, () => ({ nodeID: "x" }));
    const grant = makeGrant(namespace, made, { time: 1 });
    const open = (frame: Buffer) => openExchange(namespace, guard, end.nodeID, frame);
    for (let bit = 0; bit < made.frame.length * 8; bit++)
      expect(open(flip(made.frame, bit)), `bit ${bit}`).toBeUndefined();
    for (let bit = 0; bit < grant.length * 8; bit++)
      expect(openGrant(namespace, made, flip(grant, bit)), `bit ${bit}`).toBeUndefined();
    for (let length = 0; length < grant.length; length++)
      expect(openGrant(namespace, made, grant.subarray(0, length))).toBeUndefined();
    for (let length = 0; length < made.frame.length; length++)
      expect(open(made.frame.subarray(0, length))).toBeUndefined();
  });

  it("of unknown senders change nothing at the guard", () => {
    const before = JSON.stringify(stateOf(bus.guard));
    const { namespace: own, nodeID } = bus.guard.broker;
    const { publicKey } = bus.guard.node.keys.current;
    fc.assert(
      fc.property(fc.jsonValue(), (content) => {
        const { frame } = makeExchange(own, node, { nodeID, publicKey }, () => content as object);
        bus.guard.bus.receive(frame);
        expect(JSON.stringify(stateOf(bus.guard))).toBe(before);
      }),
    );
  });
});
