import { connect, type NatsConnection } from "nats";
import { FRAME } from "../../src/bus/frame.ts";
import type { TestBus } from "./bus.ts";

export interface Captured {
  subject: string;
  frame: Buffer;
}

/** A connection with all rights on the bus: it receives every frame and may publish anything. */
export class Wire {
  readonly frames: Captured[] = [];
  readonly #connection: NatsConnection;
  readonly #prefix: string;

  private constructor(connection: NatsConnection, namespace: string) {
    this.#connection = connection;
    this.#prefix = `MOL-${namespace}`;
    connection.subscribe(`${this.#prefix}.>`, {
      callback: (_error, { subject, data }) =>
        this.frames.push({ subject, frame: Buffer.from(data) }),
    });
  }

  /** Starts to capture all frames. */
  static async open({ url, namespace }: TestBus): Promise<Wire> {
    const connection = await connect({ servers: url });
    const wire = new Wire(connection, namespace);
    await connection.flush();
    return wire;
  }

  /** The captured frames of one type. */
  of(kind: keyof typeof FRAME): Captured[] {
    return this.frames.filter(({ frame }) => frame[1] === FRAME[kind]);
  }

  /** The captured DATA frames for a node. */
  dataTo(nodeID: string): Buffer[] {
    return this.of("data")
      .filter(({ subject }) => subject === this.subject(nodeID))
      .map(({ frame }) => frame);
  }

  /** @param nodeID undefined: of what every node receives */
  subject(nodeID?: string, command = "SEAL"): string {
    return [this.#prefix, command, nodeID].filter((part) => part !== undefined).join(".");
  }

  publish(subject: string, frame: Buffer | string): void {
    this.#connection.publish(subject, frame);
  }

  /** Sends frames to a node (undefined: to all), and waits until the server has them. */
  async send(nodeID: string | undefined, ...frames: (Buffer | string)[]): Promise<void> {
    for (const frame of frames) this.publish(this.subject(nodeID), frame);
    await this.#connection.flush();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
