import { randomBytes } from "node:crypto";
import * as moleculer from "moleculer";
import type { ServiceBroker } from "moleculer";
import * as moleculer14 from "moleculer-0.14";
import { afterEach, describe, expect, it } from "vitest";
import { as, nodeOf, TestBus } from "./helpers/bus.ts";
import { errorOf, overEachBus } from "./helpers/variants.ts";

overEachBus("Frames on the bus", (variant) => {
  let bus: TestBus;
  let [a, b]: ServiceBroker[] = [];
  const start = async (middlewares: any[] = []) => {
    bus = new TestBus(variant);
    bus.createGuard({ middlewares });
    [a, b] = ["a", "b"].map((name) => bus.create(name, { middlewares }));
    await Promise.all(bus.brokers.map((broker) => broker.start()));
    await bus.met();
    return { a: a as ServiceBroker, b: b as ServiceBroker };
  };
  afterEach(() => bus.stop());
  const echo = (text: string) =>
    as(a as ServiceBroker, (ctx) => ctx.call<any, object>("b.echo", { text }));

  it("contain several packets, or one that is larger than 64 KB", async () => {
    const nodes = await start();
    const { total } = nodeOf(nodes.a).statistics;
    const burst = async () => {
      const [frames, packets] = [total.framesSent, total.packetsSent];
      await Promise.all(Array.from({ length: 100 }, (_, n) => echo(String(n))));
      return (total.packetsSent - packets) / (total.framesSent - frames);
    };
    // on a busy machine the calls of a burst may lie too far apart to be joined
    await expect.poll(burst).toBeGreaterThan(4);
    const text = randomBytes(150_000).toString("hex");
    expect(await echo(text)).toEqual({ text });
    const large = await Promise.all(
      Array.from({ length: 5 }, (_, n) => echo(text.slice(n, n + 40_000))),
    );
    expect(large.map((one) => one.text.length)).toEqual(Array.from({ length: 5 }, () => 40_000));
  });

  /** Redis has no such limit. */
  const onNats = variant.transport === "NATS" ? it : () => {};
  onNats(
    "larger than the server's max_payload reject their call, and the connection lasts",
    async () => {
      const { a: caller } = await start();
      const text = "x".repeat(2 ** 20);
      const request = await errorOf(echo(text));
      expect(request.message).toMatch(/larger than|max_payload/i);
      const response = await errorOf(
        as(caller, (ctx) => ctx.call("b.grow", { size: 2 ** 20 }, { timeout: 5_000 })),
      );
      expect(response.message).toMatch(/larger than|max_payload/i);
      expect(await echo("small")).toEqual({ text: "small" });
    },
  );

  describe("with middlewares of the transporter", () => {
    const { Transmit } = ((variant.version === "0.14" ? moleculer14 : moleculer) as any)
      .Middlewares;

    it.each([
      ["Compression", () => [Transmit.Compression({ method: "deflate", threshold: "100" })]],
      [
        "Encryption",
        () => [
          Transmit.Encryption(
            "a password of thirty-two bytes!!",
            "aes-256-cbc",
            "sixteen bytes iv",
          ),
        ],
      ],
      [
        "both",
        () => [
          Transmit.Encryption(
            "a password of thirty-two bytes!!",
            "aes-256-cbc",
            "sixteen bytes iv",
          ),
          Transmit.Compression({ method: "gzip", threshold: "100" }),
        ],
      ],
    ])("%s: they get packets, not frames", async (_name, make) => {
      const seen: string[] = [];
      const spy = {
        name: "Spy",
        transporterReceive: (next: any) => (command: string, data: Buffer, sender: unknown) => {
          seen.push(command);
          return next(command, data, sender);
        },
      };
      await start([...make(), spy]);
      const text = "compressible ".repeat(1_000);
      expect(await echo(text)).toEqual({ text });
      expect(seen).toEqual(expect.arrayContaining(["INFO", "REQ", "RES"]));
    });
  });
});
