import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeExchange } from "../../src/bus/exchange.ts";
import { FRAME } from "../../src/bus/frame.ts";
import { encodeHello } from "../../src/bus/hello.ts";
import { nodeIDOf } from "../../src/bus/node-id.ts";
import { makeNodeKey } from "../../src/bus/node-key.ts";
import { GuardAuthority, makeSigningKey } from "../../src/index.ts";
import { type IdentityOptions, signIdentity } from "../../src/tokens/identity-token.ts";
import { publishKeys } from "../../src/tokens/published-keys.ts";
import { readSigningKeys, thumbprint } from "../../src/tokens/signing-key.ts";
import { as, nodeOf, refusedBy, type StartedBus, startBus } from "../helpers/bus.ts";
import { Wire } from "../helpers/wire.ts";

/** The points of low order (RFC 7748, 6.1) and their non-canonical forms, little-endian. */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Buffer.from(hex, "hex"));

describe("An attacker with all rights on the bus and no credential", () => {
  let nodes: StartedBus;
  let wire: Wire;

  beforeAll(async () => {
    nodes = await startBus();
    wire = await Wire.open(nodes.bus);
  });
  /** Checks that the nodes still work, and that only these handlers ran. */
  afterEach(async () => {
    const { bus, a } = nodes;
    expect(bus.ran).toEqual([]);
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(bus.ran.splice(0)).toEqual(["b.echo a"]);
  });
  afterAll(async () => {
    await wire.close();
    await nodes.bus.stop();
  });

  /** An identity token like the guard's, with another signer or other times. */
  function identity(change: Partial<IdentityOptions> & { signingKey?: string; at?: number } = {}) {
    const { signingKey = nodes.bus.signingKey, at, ...claims } = change;
    const key = makeNodeKey();
    const nodeID = nodeIDOf("c", claims.publicKey ?? key.publicKey);
    const { namespace } = nodes.bus;
    const [signer] = readSigningKeys(signingKey);
    const { now } = Date;
    if (at !== undefined) Date.now = () => at;
    const options = { service: "c", namespace, nodeID, credential: "x", publicKey: key.publicKey };
    const token = signIdentity(signer, { ...options, lifetime: 300, ...claims });
    Date.now = now;
    return { token, nodeID: claims.nodeID ?? nodeID, key };
  }

  const proved = (nodeID: string) => nodeOf(nodes.b).bus?.peers.of(nodeID);

  /** Sends a HELLO to `b`, and waits until `b` has refused it. */
  async function refused(hello: { nodeID: string; identities: string[] }) {
    const before = refusedBy(nodes.b, "identity not accepted");
    await wire.send(nodes.b.nodeID, encodeHello(hello));
    await expect.poll(() => refusedBy(nodes.b, "identity not accepted")).toBe(before + 1);
    expect(proved(hello.nodeID)).toBeUndefined();
  }

  it("would be accepted with a token of this guard, so that the tests below test something", async () => {
    const { token, nodeID } = identity();
    await wire.send(nodes.b.nodeID, encodeHello({ nodeID, identities: [token] }));
    await expect.poll(() => proved(nodeID)).toBeDefined();
  });

  it.each<[string, () => ReturnType<typeof identity>]>([
    ["of another guard", () => identity({ signingKey: makeSigningKey() })],
    ["that has expired", () => identity({ at: Date.now() - 400_000 })],
    ["that is not valid yet", () => identity({ at: Date.now() + 400_000 })],
    ["that lives longer than a guard may let it", () => identity({ lifetime: 86_400 })],
    ["for another namespace", () => identity({ namespace: "elsewhere" })],
    ["with a key of another length", () => identity({ publicKey: randomBytes(31) })],
  ])("proves nothing by an identity token %s", async (_which, make) => {
    const { token, nodeID } = make();
    await refused({ nodeID, identities: [token] });
  });

  it("is not accepted with the identity token of another node", async () => {
    const { token } = identity();
    await refused({ nodeID: nodeIDOf("c", makeNodeKey().publicKey), identities: [token] });
  });

  it("is not accepted with a running node's key and another node id", async () => {
    const { publicKey } = nodeOf(nodes.a).keys.current;
    const { token, nodeID } = identity({
      publicKey,
      nodeID: nodeIDOf("c", makeNodeKey().publicKey),
    });
    await refused({ nodeID, identities: [token] });
    expect(proved(nodes.a.nodeID)?.publicKey).toEqual(publicKey);
  });

  it("is not accepted with an identity token whose credential is revoked", async () => {
    const { bus, guard, b } = nodes;
    const credential = bus.credential("c");
    const claims = JSON.parse(Buffer.from(credential.split(".")[1]!, "base64url").toString());
    const node = await bus.start("c", { credential: () => credential });
    const [held] = nodeOf(node).identities.valid();
    await node.stop();
    await guard.call("guard.revoke", { id: claims.jti });
    await expect.poll(() => nodeOf(b).revocations.has(claims.jti)).toBe(true);
    await refused({ nodeID: node.nodeID, identities: [held!.token] });
  });

  it("cannot create a channel with a point of low order", async () => {
    const own = nodeOf(nodes.b).keys.current;
    for (const publicKey of LOW_ORDER) {
      const { token, nodeID } = identity({ publicKey });
      await refused({ nodeID, identities: [token] });
      expect(() => makeExchange("x", own, { nodeID, publicKey }, () => ({}))).toThrow(/./);
    }
    // the guard opens no EXCHANGE of such a key either
    const before = refusedBy(nodes.guard, "not authentic");
    const guardKey = nodeOf(nodes.guard).keys.current;
    for (const publicKey of LOW_ORDER)
      await wire.send(
        nodes.guard.nodeID,
        Buffer.concat([
          Buffer.from([1, FRAME.exchange, 0, 0]),
          guardKey.kid,
          publicKey,
          randomBytes(100),
        ]),
      );
    await expect
      .poll(() => refusedBy(nodes.guard, "not authentic"))
      .toBe(before + LOW_ORDER.length);
  });

  it("crashes no node with a HELLO whose keys are malformed", async () => {
    const point = (x: string, y: string) => ({
      kty: "EC",
      crv: "P-256",
      x,
      y,
      kid: thumbprint(x, y),
    });
    const hellos = [
      { keys: [point("AAAA", "AAAA")], endorsements: [] },
      { keys: [point("", ""), null, 1, "x", { kid: 1 }], endorsements: [null, 1, {}, "a.b.c"] },
      { keys: [{ ...point("AA", "AA"), d: "AA" }], endorsements: "x" },
      { keys: {}, endorsements: {} },
      null,
    ];
    for (const keys of hellos) {
      const { token, nodeID } = identity({ signingKey: makeSigningKey() });
      await refused({ nodeID, identities: [token], keys } as never);
    }
  });

  it("adds no key to the guard's keys", async () => {
    const other = makeSigningKey();
    const keys = publishKeys(readSigningKeys(other));
    const real = new GuardAuthority({ signingKey: nodes.bus.signingKey }).publishedKeys;
    const offers = [
      keys,
      { keys: [...real.keys, ...keys.keys], endorsements: keys.endorsements },
      {
        keys: [...keys.keys, ...real.keys],
        endorsements: [...real.endorsements, ...keys.endorsements],
      },
    ];
    for (const offer of offers) {
      const { token, nodeID } = identity({ signingKey: other });
      await refused({ nodeID, identities: [token], keys: offer } as never);
    }
  });

  it("reaches no code with anything but HELLO, EXCHANGE and GRANT", async () => {
    const { a, b } = nodes;
    const payload = { ver: "5", sender: a.nodeID, id: "x", action: "b.open", params: {} };
    const packet = Buffer.from(JSON.stringify(payload));
    const start = (type: number, version = 1) => Buffer.from([version, type, 0, 0]);
    const refusals = () =>
      [...nodeOf(b).statistics.total.refused.values()].reduce((sum, count) => sum + count, 0);
    const before = refusals();
    const frames = [
      Buffer.alloc(0),
      Buffer.from([1]),
      packet,
      ...[0, 1, 2, 3, 4, 5, 16, 19, 255].map((type) => Buffer.concat([start(type), packet])),
      Buffer.concat([start(1, 2), packet]),
      Buffer.concat([Buffer.from([1, 1, 0, 1]), packet]),
      ...["[]", "null", "1", '"x"', "{}", '{"nodeID":1}', '{"nodeID":"x","identities":[1]}'].map(
        (json) => Buffer.concat([start(FRAME.hello), Buffer.from(json)]),
      ),
      Buffer.concat([start(FRAME.hello), Buffer.alloc(70_000, "[")]),
      Buffer.concat([start(FRAME.hello), Buffer.alloc(60_000, "[")]),
    ];
    await wire.send(b.nodeID, ...frames);
    await expect.poll(refusals).toBeGreaterThanOrEqual(before + frames.length - 2);
  });

  it("makes the guard neither throw nor log each time with malformed MACs and names", async () => {
    const { guard, bus } = nodes;
    const lines = bus.logs.length;
    const key = makeNodeKey();
    const nodeID = nodeIDOf("c", key.publicKey);
    const end = { nodeID: guard.nodeID, publicKey: nodeOf(guard).keys.current.publicKey };
    const name = bus.credential("c").split(".").slice(0, 2).join(".");
    const contents: unknown[] = [
      ...Array.from({ length: 20 }, () => ({ nodeID, credentials: [[name, "é".repeat(43)]] })),
      { nodeID, credentials: [["", ""]], previous: {} },
      { nodeID, credentials: [["a.b", "x"]], previous: "a.b.c" },
      { nodeID, credentials: { length: 3 } },
      { nodeID: `${nodeID}.>`, credentials: [[name, "x"]] },
      { nodeID: "*", credentials: [] },
      [],
      "x",
    ];
    wire.frames.length = 0;
    for (const content of contents)
      await wire.send(
        guard.nodeID,
        makeExchange(bus.namespace, key, end, () => content as object).frame,
      );
    await expect.poll(() => wire.of("grant").length).toBeGreaterThanOrEqual(23);
    expect(new Set(wire.of("grant").map(({ subject }) => subject))).toEqual(
      new Set([wire.subject(nodeID)]),
    );
    expect(bus.logs.slice(lines)).toEqual([]);
  });

  it("gets no GRANT accepted", async () => {
    const { bus, a } = nodes;
    const before = refusedBy(a, "not authentic");
    const exchanges = nodeOf(a).statistics.total.exchanges;
    const { kid } = nodeOf(a).keys.current;
    const guardKid = nodeOf(nodes.guard).keys.current.kid;
    const header = Buffer.from([1, FRAME.grant, 0, 0]);
    const forged = Array.from({ length: 20 }, () =>
      Buffer.concat([header, guardKid, kid, randomBytes(200)]),
    );
    await wire.send(a.nodeID, ...forged, ...wire.of("grant").map(({ frame }) => frame));
    await expect.poll(() => refusedBy(a, "not authentic")).toBeGreaterThanOrEqual(before + 20);
    expect(nodeOf(a).statistics.total.exchanges).toBe(exchanges);
    expect(bus.ran).toEqual([]);
  });

  it("makes a guard open at most 100 EXCHANGEs a second", async () => {
    const { guard } = nodes;
    const { kid } = nodeOf(guard).keys.current;
    const counted = () => refusedBy(guard, "not authentic");
    const dropped = () => refusedBy(guard, "too many requests");
    const [opened, limited] = [counted(), dropped()];
    const header = Buffer.concat([Buffer.from([1, FRAME.exchange, 0, 0]), kid]);
    const startedAt = performance.now();
    for (let batch = 0; batch < 10; batch++)
      await wire.send(
        guard.nodeID,
        ...Array.from({ length: 200 }, () => Buffer.concat([header, randomBytes(200)])),
      );
    await expect.poll(() => counted() + dropped() - opened - limited).toBe(2_000);
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(counted() - opened).toBeLessThanOrEqual(100 + 100 * seconds);
  });
});
