import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeHello } from "../../src/bus/hello.ts";
import { nodeIDOf } from "../../src/bus/node-id.ts";
import { as, nodeOf, type StartedBus, startBus } from "../helpers/bus.ts";
import { startFlood } from "../helpers/flood.ts";
import { Wire } from "../helpers/wire.ts";

describe("An attacker who floods the bus", () => {
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

  /** The CPU time of this thread during some work, in milliseconds. */
  async function cpuOf(work: () => Promise<unknown>): Promise<number> {
    const before = process.threadCpuUsage();
    await work();
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  }

  // CPU time, since the latency of a busy machine does not measure the bus
  it("costs the nodes less than a quarter of a call for each frame of 1 KB", async () => {
    const { a, b, bus } = nodes;
    const [from, to] = [nodeOf(a).keys.current, nodeOf(b).keys.current];
    /** One of each kind: random bytes, a known pair with a fresh counter, EXCHANGE, GRANT, HELLO. */
    const kinds = [
      () => randomBytes(1_024),
      () => {
        const header = Buffer.concat([Buffer.from([1, 1, 0, 0]), from.kid, to.kid]);
        const frame = Buffer.concat([header, Buffer.alloc(8), randomBytes(996)]);
        frame.writeBigUInt64BE(1_000_000n, 20);
        return frame;
      },
      () => Buffer.concat([Buffer.from([1, 2, 0, 0]), randomBytes(1_020)]),
      () => Buffer.concat([Buffer.from([1, 3, 0, 0]), randomBytes(1_020)]),
      () => encodeHello({ nodeID: nodeIDOf("c", randomBytes(32)), identities: ["x".repeat(900)] }),
    ];
    const frames = Array.from({ length: 1_000 }, (_, at) => kinds[at % kinds.length]!());
    const call = () => as(a, (ctx) => ctx.call("b.echo", {}));
    const calls = async () => {
      for (let count = 0; count < 500; count++) await call();
    };
    await calls();
    const perCall = (await cpuOf(calls)) / 500;
    const perFrame: number[] = [];
    for (let round = 0; round < 3; round++) {
      const idle = await cpuOf(() => delay(1_000));
      const stop = await startFlood({
        url: bus.url,
        subject: wire.subject(b.nodeID),
        frames,
        perSecond: 5_000,
      });
      const flooded = await cpuOf(() => delay(1_000));
      perFrame.push((flooded - idle) / (await stop()));
      // the nodes still run
      expect(await as(a, (ctx) => ctx.call("b.echo", { x: round }))).toEqual({ x: round });
    }
    const median = perFrame.toSorted((one, other) => one - other)[1]!;
    console.log(`A frame costs ${(median / perCall).toFixed(3)} of a call`);
    expect(median).toBeLessThan(perCall / 4);
  });

  it("fills neither the memory nor the log with 10,000 invented nodes", async () => {
    const { a, b, bus } = nodes;
    wire.frames.length = 0;
    const lines = bus.logs.filter(({ nodeID }) => nodeID === b.nodeID).length;
    const startedAt = performance.now();
    const before = process.memoryUsage().heapUsed;
    const known = [...nodeOf(b).bus!.peers.proved()].length;
    for (let batch = 0; batch < 100; batch++) {
      const hellos = Array.from({ length: 100 }, () => {
        const key = randomBytes(32);
        const claims = { node: nodeIDOf("c", key), cnf: { jwk: { x: key.toString("base64url") } } };
        const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
        return encodeHello({ nodeID: claims.node, identities: [`e30.${body}.AAAA`] });
      });
      await wire.send(b.nodeID, ...hellos);
    }
    wire.frames.length = 0;
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    const seconds = (performance.now() - startedAt) / 1_000;
    const written = bus.logs.filter(({ nodeID }) => nodeID === b.nodeID).length - lines;
    expect(written).toBeLessThanOrEqual(seconds + 2);
    expect([...nodeOf(b).bus!.peers.proved()].length).toBe(known);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
  });
});
