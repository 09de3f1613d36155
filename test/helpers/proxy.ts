import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of a server of this machine, to disturb the connections through it. */
export interface Proxy {
  port: number;
  /** The connections that were refused since `cut`. */
  readonly refused: number;
  /** Closes all connections, and refuses new ones. */
  cut(): void;
  /** Leaves all connections open, and forwards nothing. */
  freeze(): void;
  /** Ends `cut` or `freeze`; frozen connections are closed. */
  restore(): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of this port. */
export async function startProxy(to: number): Promise<Proxy> {
  const ends = new Set<Socket>();
  let isCut = false;
  let isFrozen = false;
  let refused = 0;
  const server = createServer((near) => {
    if (isCut) {
      refused += 1;
      near.destroy();
      return;
    }
    const far = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(one);
      one.on("error", () => undefined);
      one.once("close", () => {
        ends.delete(one);
        other.destroy();
      });
      if (!isFrozen) one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const cut = () => {
    isCut = true;
    refused = 0;
    for (const end of ends) end.destroy();
  };
  return {
    port,
    get refused() {
      return refused;
    },
    cut,
    freeze() {
      isFrozen = true;
      for (const end of ends) end.unpipe().pause();
    },
    restore() {
      isCut = false;
      if (isFrozen) for (const end of ends) end.destroy();
      isFrozen = false;
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
