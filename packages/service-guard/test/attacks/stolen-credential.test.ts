import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeExchange, openGrant } from "../../src/bus/exchange.ts";
import { nodeIDOf } from "../../src/bus/node-id.ts";
import { makeNodeKey } from "../../src/bus/node-key.ts";
import { credentialMac, readCredential } from "../../src/tokens/credential.ts";
import { as, nodeOf, type StartedBus, startBus } from "../helpers/bus.ts";
import { Wire } from "../helpers/wire.ts";

describe("An attacker with all rights on the bus and the credential of 'c'", () => {
  let nodes: StartedBus;
  let wire: Wire;

  beforeAll(async () => {
    nodes = await startBus();
    wire = await Wire.open(nodes.bus);
  });
  afterAll(async () => {
    await wire.close();
    await nodes.bus.stop();
  });

  /** Asks the guard for an identity with this node id. */
  async function ask(nodeID: string, key = makeNodeKey(), previous?: string) {
    const { bus, guard } = nodes;
    const { name, secret } = readCredential(bus.credential("c"));
    const end = { nodeID: guard.nodeID, publicKey: nodeOf(guard).keys.current.publicKey };
    const exchange = makeExchange(bus.namespace, key, end, (binding) => ({
      nodeID,
      credentials: [[name, credentialMac(secret, "", binding, nodeID)]],
      previous,
    }));
    await wire.send(guard.nodeID, exchange.frame);
    const opened = () =>
      wire.of("grant").map(({ frame }) => openGrant(bus.namespace, exchange, frame) as any);
    await expect.poll(() => opened().some(Boolean)).toBe(true);
    return opened().find(Boolean).credentials[0];
  }

  it("gets an identity token of 'c' for a node id of its own", async () => {
    const key = makeNodeKey();
    expect(await ask(nodeIDOf("c", key.publicKey), key)).toMatchObject({ service: "c" });
  });

  it("gets no identity token for the node id of another service", async () => {
    const key = makeNodeKey();
    expect(await ask(nodeIDOf("a", key.publicKey), key)).toEqual({
      refused: "another service's node",
    });
  });

  it("gets no identity token for the id of a running node, also with that node's identity token", async () => {
    const { a, b, c, bus } = nodes;
    for (const { nodeID } of [a, b, c]) {
      expect(await ask(nodeID)).toEqual({ refused: "node id not certified" });
      const [held] = nodeOf([a, b, c].find((one) => one.nodeID === nodeID)!).identities.valid();
      expect(await ask(nodeID, makeNodeKey(), held!.token)).toEqual({
        refused: "node id not certified",
      });
    }
    bus.ran.length = 0;
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(bus.ran).toEqual(["b.echo a"]);
  });

  it("cannot start a guarded node with the id of a running node", () => {
    // Moleculer ends the process, which Vitest reports as an error
    expect(() => nodes.bus.create("c", { broker: { nodeID: nodes.b.nodeID } })).toThrow(/./);
    const reasons = nodes.bus.logs.flatMap(({ args }) => args.map(String)).join();
    expect(reasons).toContain("needs its own node id");
    expect(nodes.b.started).toBe(true);
  });
});
