import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A connection to a server that can be cut and mended, or frozen: then it is there, and nothing comes through. */
export interface Cable {
  port: number;
  /** How many connections were refused since it was cut. */
  readonly refused: number;
  cut(): void;
  freeze(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Lays a cable to a port of this machine. */
export async function layCable(to: number): Promise<Cable> {
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
    mend() {
      isCut = false;
      // what was frozen is behind the times
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
