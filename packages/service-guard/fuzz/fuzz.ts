import { Inputs } from "./inputs.ts";
import { type TestBus, type TestNode, startBus, stateOf } from "./nodes.ts";
import { Random } from "./random.ts";

/** The number of inputs that the node gets in one turn of the event loop. */
const BATCH = 500;

export interface FuzzOptions {
  count: number;
  seed: number;
  /** Called regularly with the number of inputs so far. */
  onProgress?: (done: number) => void;
}

/**
 * Sends a node random and altered input. Input that no proved node has sealed for it must change nothing; input of a
 * proved node may change only the state of that node. Nothing may throw.
 *
 * @throws Error with the input in hexadecimal
 */
export async function fuzz({ count, seed, onProgress }: FuzzOptions): Promise<void> {
  const bus = await startBus();
  const failures: unknown[] = [];
  const onRejection = (error: unknown) => failures.push(error);
  process.on("unhandledRejection", onRejection);
  // the bus refuses and logs input that makes it throw
  const { logger } = bus.users.node;
  logger.debug = ({ err }: { err?: unknown } = {}, message = "") => {
    if (message.startsWith("What arrived")) failures.push(err);
  };
  try {
    const inputs = new Inputs(new Random(seed), bus);
    for (let done = 0; done < count;) {
      const isForeign = (done / BATCH) % 2 === 0;
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, () =>
        isForeign ? inputs.foreign() : inputs.proved(),
      );
      receive(bus, batch, isForeign);
      // lets responses and waiting HELLOs be handled
      await new Promise(setImmediate);
      bus.mallory.sent.length = 0;
      bus.users.sent.length = 0;
      bus.guard.sent.length = 0;
      if (failures.length > 0)
        throw new Error("An input makes the bus throw, or a rejection is not handled.", {
          cause: failures[0],
        });
      done += batch.length;
      onProgress?.(done);
    }
  } finally {
    process.off("unhandledRejection", onRejection);
    await bus.stop();
  }
}

function receive({ users, mallory }: TestBus, batch: readonly Buffer[], isForeign: boolean): void {
  const state = () => JSON.stringify(isForeign ? stateOf(users) : withoutNode(users, mallory));
  const before = state();
  for (const frame of batch) {
    try {
      users.bus.receive(frame);
    } catch (error) {
      throw new Error(`An input makes the bus throw: ${frame.toString("hex")}`, { cause: error });
    }
  }
  const after = state();
  if (after !== before)
    throw new Error(`Inputs have changed what the node knows.\nbefore: ${before}\nafter: ${after}`);
}

/** The state of a node without that of one other node, which must contain nothing of third nodes. */
function withoutNode(at: TestNode, { node: { nodeID } }: TestNode): unknown {
  const { peers, nodes, services, ...rest } = stateOf(at);
  const own = services.filter(([, node]) => node === nodeID);
  for (const [fullName, , actions] of own)
    if (fullName !== "mallory" && !fullName.startsWith("$"))
      throw new Error(`A node has announced '${fullName}' with ${actions.join(", ")}.`);
  const isOther = ([first]: readonly unknown[]) => first !== nodeID;
  return {
    own: rest.own,
    key: rest.key,
    pending: rest.pending,
    peers: peers.filter(isOther),
    nodes: nodes.filter(isOther),
    services: services.filter(([, node]) => node !== nodeID),
    channels: rest.channels.filter(isOther),
  };
}
