import { encodeRecords, RECORD } from "../src/bus/records.ts";
import { thumbprint } from "../src/tokens/signing-key.ts";
import type { TestBus } from "./nodes.ts";
import { sealAs } from "./nodes.ts";
import type { Random } from "./random.ts";

const TYPES = Object.values(RECORD);
/** Names with a meaning in packets, announcements, tokens, or JavaScript. */
const NAMES = (
  "sender caller id event services name fullName version actions events group keys endorsements kid x y " +
  "kty crv identities nodeID revoked until stream seq action params meta success ver __proto__ constructor toString length"
).split(" ");

/** Generates input for the bus of a node. */
export class Inputs {
  readonly #random: Random;
  readonly #bus: TestBus;
  /** Valid frames of all types, for the node and for others. */
  readonly #genuine: readonly Buffer[];

  constructor(random: Random, bus: TestBus) {
    this.#random = random;
    this.#bus = bus;
    this.#genuine = [bus.guard, bus.users, bus.mallory].flatMap(({ sent }) =>
      sent.map(({ frame }) => frame),
    );
  }

  /** Bytes that no proved node has sealed for this node. */
  foreign(): Buffer {
    const random = this.#random;
    switch (random.below(5)) {
      case 0:
        return Buffer.concat([
          Buffer.from([random.below(3), random.below(6), random.below(20) === 0 ? 1 : 0, 0]),
          random.bytes(random.below(200)),
        ]);
      case 1:
        return this.#hello();
      case 2: {
        const [one, other] = [random.pick(this.#genuine), random.pick(this.#genuine)];
        return Buffer.concat([
          one.subarray(0, random.below(one.length)),
          other.subarray(random.below(other.length)),
        ]);
      }
      case 3: {
        const frame = random.pick(this.#genuine);
        return frame.subarray(0, random.below(frame.length));
      }
      default:
        return this.#mutate(random.pick(this.#genuine));
    }
  }

  #mutate(frame: Buffer): Buffer {
    const altered = Buffer.from(frame);
    for (let left = 1 + this.#random.below(4); left > 0; left--) {
      const at = this.#random.below(Math.min(altered.length, 64 + this.#random.below(2_000)));
      altered[at] = (altered[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return altered;
  }

  /** A frame that a proved node has sealed, with any content. */
  proved(): Buffer {
    const random = this.#random;
    const plaintext =
      random.below(5) === 0
        ? random.bytes(random.below(60))
        : encodeRecords(
            Array.from({ length: 1 + random.below(3) }, () => ({
              type: random.below(20) === 0 ? random.below(256) : random.pick(TYPES),
              content: random.below(10) === 0 ? random.bytes(random.below(60)) : this.#content(),
            })),
          );
    return sealAs(this.#bus.mallory, this.#bus.users, plaintext);
  }

  /** An announcement that resembles the node's own. */
  #announcement(): object {
    const random = this.#random;
    const names = ["mallory", "mallory", "users", "v1.mallory", "$node"];
    const key = random.pick(["mallory.go", "users.hello", "user.created", "$x"]);
    const member =
      random.below(3) === 0 ? this.#value(2) : { name: key, group: random.pick(names) };
    return {
      name: random.pick(names),
      fullName: random.pick([...names, this.#value(1)]),
      version: random.pick([1, "v1", undefined, this.#value(2), { toString: 1 }]),
      actions: random.pick([{ [key]: member }, this.#value(2)]),
      events: random.pick([{ [key]: member }, this.#value(2)]),
    };
  }

  #content(): Buffer {
    const value =
      this.#random.below(4) === 0 ? { services: [this.#announcement()] } : this.#value(3);
    const { nodeID } = this.#bus.mallory.node;
    const packet =
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? { ver: this.#bus.mallory.broker.PROTOCOL_VERSION, sender: nodeID, ...value }
        : value;
    return Buffer.from(JSON.stringify(packet));
  }

  #hello(): Buffer {
    const random = this.#random;
    const { mallory, guard, users } = this.#bus;
    const x = random.bytes(32).toString("base64url");
    const hello: Record<string, unknown> = {
      nodeID: random.pick([mallory, guard, users]).node.nodeID,
      identities: [this.#value(1)],
      keys: { keys: [{ kty: "EC", crv: "P-256", x, y: x, kid: thumbprint(x, x) }] },
    };
    const field = random.pick(["nodeID", "identities", "keys", "keys", "none"]);
    if (field !== "none") hello[field] = this.#value(3);
    return Buffer.concat([Buffer.from([1, 4, 0, 0]), Buffer.from(JSON.stringify(hello))]);
  }

  #value(depth: number): unknown {
    const random = this.#random;
    const { mallory, guard, users } = this.#bus;
    switch (random.below(depth > 0 ? 9 : 6)) {
      case 0:
        return random.pick([null, true, 0, -1, 2 ** 53, 1.5]);
      case 1:
        return random.pick([mallory, guard, users]).node.nodeID;
      case 2:
        return random.pick([
          "mallory",
          "users",
          "guard",
          "users.hello",
          "mallory.x",
          "$node",
          "v1",
        ]);
      case 3:
        return random.pick([mallory, guard, users]).node.identities.valid()[0]?.token;
      case 4:
        return random.bytes(random.below(10)).toString("latin1");
      case 5:
        return random.pick(NAMES);
      case 6:
        return Array.from({ length: random.below(4) }, () => this.#value(depth - 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random.below(6) }, () => [
            random.pick(NAMES),
            this.#value(depth - 1),
          ]),
        );
    }
  }
}
