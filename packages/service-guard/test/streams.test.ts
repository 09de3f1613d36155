import { createHash } from "node:crypto";
import { Readable, Transform } from "node:stream";
import type { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { as, chunks, TestBus } from "./helpers/bus.ts";
import { errorOf, FIRST, overEachBus } from "./helpers/variants.ts";

const MB = 2 ** 20;
const digest = async (stream: AsyncIterable<Buffer>) => {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, hash: hash.digest("hex") };
};
/** A stream whose chunks follow from one another, made as it is read. */
const bytes = (size: number) => {
  const chunk = Buffer.alloc(64 * 1_024);
  return Readable.from(
    (function* () {
      for (let at = 0; at < size; at += chunk.length) {
        chunk.writeUInt32BE(at, 0);
        yield Buffer.from(chunk);
      }
    })(),
    { objectMode: false },
  );
};

overEachBus("A stream over the bus", (variant) => {
  // the transporter and the version make no difference to the rest of it
  const size = variant === FIRST ? 16 * MB : MB;
  const is14 = variant.version === "0.14";
  // 16 MB are 60 MB on the bus: Moleculer writes buffers as JSON
  const bus = new TestBus({ ...variant, broker: { requestTimeout: 60_000 } });
  let a: ServiceBroker;
  // Moleculer loses an error that arrives before anybody listens to the stream
  const firstRead = Promise.withResolvers<void>();

  const upload = (stream: Readable, name = "b.digest") =>
    as(a, (ctx) =>
      is14 ? ctx.call<any, any>(name, stream) : ctx.call<any, any>(name, {}, { stream } as object),
    );

  beforeAll(async () => {
    const guard = bus.createGuard();
    a = bus.create("a");
    const action = (handler: (ctx: any) => unknown) => ({ restricted: ["a"], handler });
    const source = (ctx: any) => (is14 ? ctx.params : ctx.stream);
    const service = {
      name: "b",
      actions: {
        digest: action((ctx) => digest(source(ctx))),
        objects: action(async (ctx) => {
          const all = [];
          for await (const one of source(ctx)) all.push(one);
          return all;
        }),
        download: action(({ params }) => bytes(params.size)),
        objectsOf: action(({ params }) => Readable.from(params.list)),
        broken: action(() =>
          Readable.from(
            (async function* () {
              yield Buffer.alloc(1_000);
              await firstRead.promise;
              throw new Error("The disk is gone.");
            })(),
            { objectMode: false },
          ),
        ),
      },
    };
    const b = bus.create("b", { services: [service] as never });
    await Promise.all([guard, a, b].map((broker) => broker.start()));
    await bus.met();
  });
  afterAll(() => bus.stop());

  it("delivers megabytes to the callee and back completely, in limited memory", async () => {
    let peak = 0;
    const before = process.memoryUsage.rss();
    const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5);
    const sent = createHash("sha256");
    const through = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent.update(chunk);
        done(null, chunk);
      },
    });
    const received = await upload(bytes(size).pipe(through));
    expect(received).toEqual({ size, hash: sent.digest("hex") });
    const stream = await as(a, (ctx) => ctx.call<any, object>("b.download", { size: MB }));
    expect((await digest(stream)).size).toBe(MB);
    clearInterval(timer);
    expect((peak - before) / MB).toBeLessThan(200);
  }, 60_000);

  it("delivers objects in both directions", async () => {
    const list = [{ n: 1 }, { n: 2 }, { n: 3 }];
    expect(await upload(Readable.from(list), "b.objects")).toEqual(list);
    const stream = await as(a, (ctx) => ctx.call<any, object>("b.objectsOf", { list }));
    expect(await stream.toArray()).toEqual(list);
  });

  describe("with an error in the middle", () => {
    it("ends with that error at the caller", async () => {
      const stream = await as(a, (ctx) => ctx.call<any, object>("b.broken", {}));
      stream.once("data", firstRead.resolve);
      expect((await errorOf(digest(stream))).message).toBe("The disk is gone.");
    });

    it("ends with an error at the callee", async () => {
      const stream = chunks({ count: 3, pause: 50 });
      let count = 0;
      const broken = stream.pipe(
        new Transform({
          transform(chunk, _encoding, done) {
            count += 1;
            done(count < 2 ? null : new Error("The camera is gone."), chunk);
          },
        }),
      );
      expect((await errorOf(upload(broken))).message).toBe("The camera is gone.");
    });
  });
});
