import { afterEach, describe, expect, it, vi } from "vitest";
import { HelloQueue } from "../../src/bus/hello-queue.ts";
import { GuardClock } from "../../src/node/clock.ts";
import { startBus, type TestBus } from "../../fuzz/nodes.ts";

describe("HELLOs", () => {
  it("with new keys of a guard are verified at a limited rate", () => {
    let verified = 0;
    const queue = new HelloQueue({
      verify: () => (verified += 1),
      isNew: () => false,
      areNew: (keys) => keys !== undefined,
    });
    for (let at = 0; at < 1_000; at++)
      queue.add({
        nodeID: `node.${at}`,
        identities: ["known"],
        keys: { keys: [], endorsements: [] },
      });
    queue.stop();
    expect(verified).toBeLessThan(20);
  });
});

describe("A node", () => {
  let bus: TestBus;
  afterEach(async () => {
    vi.restoreAllMocks();
    await bus.stop();
  });

  it("whose clock is days ahead finds the guard and takes its time", async () => {
    bus = await startBus();
    const { node, bus: own } = bus.users;
    Object.assign(node, { clock: new GuardClock() });
    const ahead = Date.now() + 2 * 86_400_000;
    vi.spyOn(Date, "now").mockReturnValue(ahead);
    own.expire();
    const { grant } = await own.client.request(node.keys.current, () => ({
      nodeID: node.nodeID,
      credentials: [],
    }));
    expect(grant.time).toBe(ahead);
  });

  it("is reached with its new key, also if its old one was renewed during the overlap", async () => {
    bus = await startBus(4_000);
    const { node } = bus.users;
    const { nodeID } = node;
    const old = node.keys.current;
    const { now } = Date;
    node.rotateSoon();
    await expect.poll(() => node.nextTokens).not.toHaveLength(0);
    // the times of identities are full seconds
    vi.spyOn(Date, "now").mockImplementation(() => now() + 2_000);
    node.enrolment.now();
    await expect.poll(() => node.keys.get(old.kid.toString("latin1"))).toBeUndefined();
    const kidAt = () => bus.mallory.bus.peers.of(nodeID)?.kid.toString("hex");
    expect(kidAt()).not.toBe(old.kid.toString("hex"));
    const options = { nodeID, timeout: 2_000 };
    expect(await bus.mallory.broker.call("users.hello", {}, options)).toBe("hello");
  });
});
